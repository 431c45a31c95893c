package console

import (
	"bytes"
	"errors"
	"net/http"
)

// linesType is the media type of what happened in a run, a line for each event.
const linesType = "application/x-ndjson"

// errEnough ends an answer of which a page has all that it shows.
var errEnough = errors.New("enough lines")

// A lineAnswer gives the lines of an answer to take, until that wants no more. An answer
// that is none of lines is kept as any other.
type lineAnswer struct {
	answer
	take func(line []byte) (more bool)
	rest []byte // an incomplete line
	done bool
}

// Flush is for streams: nothing is held back.
func (*lineAnswer) Flush() {}

func (a *lineAnswer) Write(data []byte) (int, error) {
	if a.WriteHeader(http.StatusOK); a.status >= http.StatusBadRequest {
		return a.answer.Write(data)
	}
	if a.done {
		return 0, errEnough
	}
	a.rest = append(a.rest, data...)
	for {
		line, rest, whole := bytes.Cut(a.rest, []byte{'\n'})
		if !whole {
			return len(data), nil
		}
		if a.rest = rest; !a.take(line) {
			a.done = true
			return 0, errEnough
		}
	}
}

// getLines has the API answer with lines of JSON, and gives them to take until it returns
// false. A refusal is the problem of v.
func (v *visit) getLines(path string, take func(line []byte) (more bool)) {
	if v.problem != nil {
		return
	}
	a := &lineAnswer{answer: answer{header: http.Header{}}, take: take}
	v.askInto(a, v.r, question{method: http.MethodGet, path: path, header: map[string]string{"Accept": linesType}})
	v.problem = a.problem()
}

// askInto has the API write its answer into w. One that is cut off because w wants no more
// of it is an answer.
func (c *Console) askInto(w http.ResponseWriter, r *http.Request, q question) {
	defer func() {
		if x := recover(); x != nil && x != http.ErrAbortHandler { //nolint:errorlint // a panic is no error
			panic(x)
		}
	}()
	inner, err := q.request(r)
	if err != nil {
		w.WriteHeader(http.StatusNotFound) // a path that is none
		return
	}
	c.api.ServeHTTP(w, inner)
}
