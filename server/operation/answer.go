package operation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tutti/api"
)

// send writes an answer of o.
func send[T any](f *fence, o *Operation, w http.ResponseWriter, r *http.Request, a *Answer[T]) {
	for name, values := range a.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	if a.Tag != "" {
		tag := strconv.Quote(a.Tag)
		w.Header().Set("ETag", tag)
		if r.Method != http.MethodPost && matches(r.Header.Get("If-None-Match"), tag) && readsOnly(r) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	status := a.Status
	if status == 0 {
		status = o.Status()
	}
	if a.stream != nil {
		f.stream(w, r, status, a.stream)
		return
	}
	switch body := any(a.Body).(type) {
	case Nothing:
		w.WriteHeader(status)
	case Bytes:
		writeBytes(w, r, status, body.Type, body.Data)
	case Stream:
		f.stream(w, r, status, &body)
	default:
		if err := writeJSON(w, r, status, "application/json", body); err != nil {
			f.refuse(w, r, err)
		}
	}
}

// readsOnly reports whether the method of a request is one that changes nothing.
func readsOnly(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

// matches reports whether a header of entity tags has this one.
func matches(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}

// writeJSON writes v as a line of JSON. The error is that of encoding v, before which
// nothing was written.
func writeJSON(w http.ResponseWriter, r *http.Request, status int, media string, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	writeBytes(w, r, status, media, b.Bytes())
	return nil
}

func writeBytes(w http.ResponseWriter, r *http.Request, status int, media string, data []byte) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	limited(w)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(data) // the client may have gone
	}
}

// stream lets s write. If that fails after the start of the answer, the connection is
// cut, so that the client does not take the answer for complete.
func (f *fence) stream(w http.ResponseWriter, r *http.Request, status int, s *Stream) {
	if s.Type != "" {
		w.Header().Set("Content-Type", s.Type)
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(status)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if f.Stopping != nil {
		defer context.AfterFunc(f.Stopping, cancel)()
	}
	if f.While != nil {
		while, end, err := f.While(ctx)
		if err != nil {
			f.refuse(w, r, err)
			return
		}
		defer end()
		ctx = while
	}
	unlimited(w)
	err := s.Write(ctx, w)
	if err == nil || f.Stopping != nil && f.Stopping.Err() != nil {
		return
	}
	if out, ok := w.(*writer); ok && !out.begun {
		f.refuse(w, r, err)
		return
	}
	if r.Context().Err() == nil {
		f.Logger.Debug("a stream broke", "request", RequestNumber(r.Context()), "error", err)
	}
	panic(http.ErrAbortHandler)
}

// answerLimit is how long a client may take to read an answer that is no stream.
const answerLimit = time.Minute

// limited sets answerLimit; unlimited leaves limits to a stream.
func limited(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerLimit)) // tests have no connection
}

func unlimited(w http.ResponseWriter) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // tests have no connection
	_ = c.SetWriteDeadline(time.Time{})
}

// refusal is the failure for errors of the library, without the values in their texts.
func refusal(status int, errs []error) *Failure {
	failure := Invalid.Fail("")
	if status >= http.StatusInternalServerError {
		return Internal.Fail("")
	}
	for _, err := range errs[:min(len(errs), maxFound)] {
		detail, ok := errors.AsType[*huma.ErrorDetail](err)
		if !ok {
			failure.Errors = append(failure.Errors, api.At("", "does not fit"))
			continue
		}
		failure.Errors = append(failure.Errors, place(detail))
	}
	return failure
}

// place is an error of the library at a place, without the value there: its messages
// have that after a colon, if at all.
func place(d *huma.ErrorDetail) api.ProblemError {
	message, _, _ := strings.Cut(d.Message, ": ")
	where, name, _ := strings.Cut(d.Location, ".")
	switch where {
	case "path", "query", "header", "cookie":
		return api.InParameter(name, message)
	}
	if d.Location == "body" && d.Value != nil {
		if _, whole := d.Value.(string); whole {
			message = "a value does not fit"
		}
	}
	return api.At(pointerTo(d.Location), message)
}
