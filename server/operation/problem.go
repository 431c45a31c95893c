package operation

import (
	"net/http"
	"net/url"
	"strings"

	"tutti/api"
	"tutti/internal/sanitize"
)

// A Kind is a kind of problem, by which a client may decide what to do.
type Kind struct {
	// Name is what its page is called: /problems/NAME.
	Name string
	// Title says it in a few words.
	Title  string
	Status int
	// Text explains it, and what a client does about it.
	Text string
}

// The problems that the fence itself finds.
var (
	NotJSON = Kind{
		"not-json", "The body is not JSON", http.StatusBadRequest,
		"The body has to be one JSON value in UTF-8, with nothing after it.",
	}
	BadCursor = Kind{
		"cursor", "The cursor is not from this list", http.StatusBadRequest,
		"A cursor is valid only for the list and the filters that it came with. Request the first page again.",
	}
	NotFound = Kind{
		"not-found", "There is no such resource", http.StatusNotFound,
		"This path does not exist, or what is there is outside your role or scope.",
	}
	BadMethod = Kind{
		"method", "The method is not allowed here", http.StatusMethodNotAllowed,
		"The header Allow lists the methods that this path has.",
	}
	TooLarge = Kind{
		"too-large", "The body is too large", http.StatusRequestEntityTooLarge,
		"Each operation has a limit for its body, 2 MiB unless it says otherwise. Bodies are not decompressed.",
	}
	BadMedia = Kind{
		"media-type", "The type of the body is not supported", http.StatusUnsupportedMediaType,
		"Set the header Content-Type to the type of the body, one that the operation accepts; for most that is application/json.",
	}
	Invalid = Kind{
		"invalid", "The request is not valid", http.StatusUnprocessableEntity,
		"The list errors has the places in the request that are wrong: unknown or repeated keys, unknown query names, values out of range. Nothing was done.",
	}
	Internal = Kind{
		"internal", "Internal error on the server", http.StatusInternalServerError,
		"The cause is in the log of the server, under the number of the request.",
	}
)

// ownKinds are the problems of the fence.
func ownKinds() []Kind {
	return []Kind{NotJSON, BadCursor, NotFound, BadMethod, TooLarge, BadMedia, Invalid, Internal}
}

// A Failure is a refusal, as an error.
type Failure struct {
	Kind   Kind
	Detail string
	Hint   string
	// Near is a name that may have been meant, for Explain to put into the hint of a
	// client that may know it.
	Near   string
	Errors []api.ProblemError
	// Header is added to the answer.
	Header http.Header
	// Err is the cause, for the log; the client does not see it.
	Err error
}

// Fail is a failure with a detail; "" has none.
func (k Kind) Fail(detail string) *Failure { return &Failure{Kind: k, Detail: detail} }

func (f *Failure) Error() string {
	switch {
	case f.Err != nil:
		return f.Err.Error()
	case f.Detail != "":
		return f.Detail
	}
	return f.Kind.Title
}

func (f *Failure) Unwrap() error { return f.Err }

// With adds places in the request, and returns f.
func (f *Failure) With(errors ...api.ProblemError) *Failure {
	f.Errors = append(f.Errors, errors...)
	return f
}

// problem is the form of f, for the request of that number.
func (f *Failure) problem(base, request string) *api.Problem {
	p := &api.Problem{
		Type: base + "/problems/" + f.Kind.Name, Title: f.Kind.Title, Status: f.Kind.Status,
		Detail: sanitize.Visible(f.Detail), Hint: sanitize.Visible(f.Hint), Request: request,
	}
	p.Errors = f.Errors[:min(len(f.Errors), maxFound)]
	return p
}

// pointerTo is the JSON pointer of a place that the library writes as body.a[0].b.
func pointerTo(place string) string {
	place = strings.NewReplacer("[", ".", "]", "").Replace(place)
	var b strings.Builder
	for _, word := range strings.Split(place, ".")[1:] {
		b.WriteString("/" + escapePointer(word))
	}
	return b.String()
}

// escapePointer is a key as a part of a JSON pointer.
func escapePointer(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// nextLink is the header Link to the page that follows the one of a request.
func nextLink(r *http.Request, after string) string {
	u, q := r.URL, r.URL.Query()
	q.Set("after", after)
	return "<" + Prefix(r.Context()) + (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: q.Encode()}).String() + `>; rel="next"`
}
