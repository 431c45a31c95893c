package console

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"tutti/api"
)

// apiBase is where the operations are.
const apiBase = "/api/v1"

// An answer is what the API said.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

// problem is why the API refused; nil if it did not.
func (a *answer) problem() *api.Problem {
	if a.status < http.StatusBadRequest {
		return nil
	}
	p := &api.Problem{}
	if json.Unmarshal(a.body.Bytes(), p) != nil || p.Status == 0 {
		p = &api.Problem{Title: http.StatusText(a.status), Status: a.status}
	}
	return p
}

// A question is one request to the API.
type question struct {
	method, path string // the path below apiBase, escaped, with its query
	body         any    // as JSON; nil: none
	raw          []byte // instead of body, of the type media; nil: none
	media        string
	header       map[string]string
}

// ask has the API answer for who looks at a page: with the cookie, the token, the address
// and the connection of its request.
func (c *Console) ask(r *http.Request, q question) *answer {
	a := &answer{header: http.Header{}}
	c.askInto(a, r, q)
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a
}

func (q *question) request(r *http.Request) (*http.Request, error) {
	var body io.Reader
	media := "application/json"
	if q.raw != nil {
		body, media = bytes.NewReader(q.raw), q.media
	}
	if q.body != nil {
		data, err := json.Marshal(q.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	inner, err := http.NewRequestWithContext(r.Context(), q.method, apiBase+q.path, body)
	if err != nil {
		return nil, err
	}
	inner.Header = r.Header.Clone()
	for name := range inner.Header {
		if aboutContent(name) {
			inner.Header.Del(name)
		}
	}
	if body != nil {
		inner.Header.Set("Content-Type", media)
	}
	for name, value := range q.header {
		inner.Header.Set(name, value)
	}
	inner.RequestURI, inner.RemoteAddr, inner.Host, inner.TLS = inner.URL.RequestURI(), r.RemoteAddr, r.Host, r.TLS
	return inner, nil
}

// aboutContent reports whether a header is about the body or the form of an answer, and
// not about who asks.
func aboutContent(name string) bool {
	return strings.HasPrefix(name, "Content-") || strings.HasPrefix(name, "If-") || strings.HasPrefix(name, "Accept") ||
		name == "Range" || name == "Prefer" || name == "Idempotency-Key"
}

// Header, Write and WriteHeader take what the API says.
func (a *answer) Header() http.Header { return a.header }

func (a *answer) Write(data []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(data)
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// at fills a path such as /runs/{run}/hosts with escaped texts, in their order.
func at(pattern string, texts ...string) string {
	var b strings.Builder
	for _, text := range texts {
		before, rest, _ := strings.Cut(pattern, "{")
		_, after, _ := strings.Cut(rest, "}")
		b.WriteString(before)
		b.WriteString(url.PathEscape(text))
		pattern = after
	}
	b.WriteString(pattern)
	return b.String()
}

// withQuery is a path with a query, if that is not empty.
func withQuery(path string, query url.Values) string {
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// chosen are those values of a query that have one of the names and are not empty.
func chosen(query url.Values, names ...string) url.Values {
	some := url.Values{}
	for _, name := range names {
		for _, value := range query[name] {
			if value != "" {
				some.Add(name, value)
			}
		}
	}
	return some
}
