package operation

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// A Config is what a table is served with.
type Config struct {
	// Title and Version are of the program; Version goes with each answer.
	Title, Version string
	// Base is the prefix of each path, such as /api/v1, and Pages that of the pages
	// of problems; both may be empty.
	Base, Pages string
	// Guard refuses requests before any other check; nil: none.
	Guard func(r *http.Request) *Failure
	// Stopping is done when streams have to end; nil: never.
	Stopping context.Context
	// While is the context of a stream of who was admitted with ctx: it ends when they
	// have to ask again. end has to be called. nil: it is ctx.
	While func(ctx context.Context) (while context.Context, end func(), err error)
	// Admit puts the principal of a request into the context that the operation gets.
	// Its error refuses the request. nil: all requests are admitted.
	Admit func(r *http.Request, o *Operation) (context.Context, error)
	// Explain is the failure that an error of an operation is for its client; nil, or a
	// nil result: Internal.
	Explain func(context.Context, error) *Failure
	// Kinds are the problems of Explain and of the operations, for their pages, and
	// Common those of every operation that is not public.
	Kinds, Common []Kind
	// Others are handlers of patterns that are no operations, such as pages of health.
	Others map[string]http.Handler
	// Aliases are types whose JSON is that of another type.
	Aliases []Alias
	// Logger gets the causes of failures, which clients do not see; nil: they are not
	// logged.
	Logger *slog.Logger
}

// A Handler serves a table.
type Handler struct {
	*fence
	table []Operation
}

// A fence stands between clients, operations and the library.
type fence struct {
	Config
	mux *http.ServeMux
	api huma.API
	// adding is the operation that is being added.
	adding *Operation
	// queries are the names of queries by operation.
	queries  map[string][]string
	methods  []string
	document []byte
}

// global sets what the library has for the whole process, once.
var global = sync.OnceFunc(func() {
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, _ string, errs ...error) huma.StatusError {
		return refusal(status, errs).problem("", "")
	}
	huma.NewErrorWithContext = func(c huma.Context, status int, _ string, errs ...error) huma.StatusError {
		r, _ := humago.Unwrap(c)
		s := stateOf(r.Context())
		return refusal(status, errs).problem(s.pages, s.number)
	}
})

// NewHandler serves the operations of a table. Methods and paths that it does not
// have are problems.
func NewHandler(c Config, table []Operation) *Handler {
	global()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	f := &fence{Config: c, mux: http.NewServeMux(), queries: map[string][]string{}}
	f.api = huma.NewAPI(f.library(), f)
	h := &Handler{fence: f, table: table}
	for i := range table {
		f.adding = &table[i]
		if !slices.Contains(f.methods, f.adding.Method) {
			f.methods = append(f.methods, f.adding.Method)
		}
		f.adding.register(f, f.adding)
	}
	f.finishDocument(table)
	f.mux.HandleFunc("GET /problems/{name}", f.explainKind)
	for pattern, page := range c.Others {
		f.mux.Handle(pattern, page)
	}
	f.mux.HandleFunc("/", f.nothingHere)
	return h
}

// Table are the operations that are served.
func (h *Handler) Table() []Operation { return h.table }

// Document is the OpenAPI document of the table.
func (h *Handler) Document() []byte { return h.document }

// Handle is for the library: it adds the operation that is being added.
func (f *fence) Handle(described *huma.Operation, handler func(huma.Context)) {
	o := f.adding
	for _, p := range described.Parameters {
		if p.In == "query" {
			f.queries[o.ID] = append(f.queries[o.ID], p.Name)
		}
	}
	f.mux.HandleFunc(o.Method+" "+f.Base+o.Path, func(w http.ResponseWriter, r *http.Request) {
		if f.Admit != nil {
			ctx, err := f.Admit(r, o)
			if err != nil {
				f.refuse(w, r, err)
				return
			}
			r = r.WithContext(ctx)
		}
		if refused := f.check(w, r, o); refused != nil {
			f.refuse(w, r, refused)
			return
		}
		handler(humago.NewContext(described, r, w))
	})
}

// ServeHTTP answers a request.
func (f *fence) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := &state{number: newNumber(), pages: f.Pages}
	r = r.WithContext(context.WithValue(r.Context(), stateKey{}, s))
	s.request = r
	out := &writer{ResponseWriter: w}
	head := w.Header()
	head.Set("Tutti-Version", f.Version)
	head.Set("Tutti-Request", s.number)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "private, no-cache")
	defer f.survive(out, r)
	if f.Guard != nil {
		if refused := f.Guard(r); refused != nil {
			f.refuse(out, r, refused)
			return
		}
	}
	if clean := path.Clean(r.URL.Path); clean != r.URL.Path || !strings.HasPrefix(r.URL.Path, "/") {
		f.refuse(out, r, NotFound.Fail("the path is not in its shortest form"))
		return // the standard library would lead elsewhere, in HTML
	}
	f.mux.ServeHTTP(out, r)
}

// survive answers where an operation has panicked.
func (f *fence) survive(w *writer, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler || w.begun { //nolint:errorlint // it is compared as net/http does
		panic(http.ErrAbortHandler)
	}
	f.Logger.Error("an operation panicked", "request", stateOf(r.Context()).number, "method", r.Method, "cause", cause)
	f.refuse(w, r, Internal.Fail(""))
}

// nothingHere answers requests that match no operation.
func (f *fence) nothingHere(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range f.methods {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := f.mux.Handler(other); pattern != "/" && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if allowed == nil {
		f.refuse(w, r, NotFound.Fail(""))
		return
	}
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	slices.Sort(allowed)
	refused := BadMethod.Fail("")
	refused.Header = http.Header{"Allow": {strings.Join(allowed, ", ")}}
	f.refuse(w, r, refused)
}

// AllKinds are all problems that have a page.
func (f *fence) AllKinds() []Kind { return append(ownKinds(), f.Kinds...) }

// explainKind is the page of a problem.
func (f *fence) explainKind(w http.ResponseWriter, r *http.Request) {
	for _, k := range f.AllKinds() {
		if k.Name == r.PathValue("name") {
			text := fmt.Sprintf("%d %s: %s\n\n%s\n", k.Status, k.Name, k.Title, k.Text)
			writeBytes(w, r, http.StatusOK, "text/plain; charset=utf-8", []byte(text))
			return
		}
	}
	f.refuse(w, r, NotFound.Fail(""))
}

// check refuses wrong requests that the library would let pass.
func (f *fence) check(w http.ResponseWriter, r *http.Request, o *Operation) error {
	if refused := checkQuery(r.URL.RawQuery, f.queries[o.ID]); refused != nil {
		return refused
	}
	if r.ContentLength == 0 {
		if o.needsBody {
			return Invalid.Fail("a body is missing")
		}
		return nil
	}
	if !o.hasBody {
		return Invalid.Fail("this operation takes no body")
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(o.Accepts, media) {
		return BadMedia.Fail("this operation takes " + strings.Join(o.Accepts, ", "))
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return BadMedia.Fail("bodies are not decompressed")
	}
	data, err := readBody(w, r, o.MaxBody)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	stateOf(r.Context()).body = data
	if !strings.HasSuffix(media, "json") {
		return nil
	}
	// The library knows one type of JSON.
	r.Header.Set("Content-Type", "application/json")
	if !isJSON(data) {
		return NotJSON.Fail("")
	}
	if found := strict(data, o.body); found != nil {
		return Invalid.Fail("the body is wrong").With(found...)
	}
	return nil
}

// readBody reads a body of at most so many bytes.
func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if errors.As(err, new(*http.MaxBytesError)) {
		return nil, TooLarge.Fail("")
	}
	if err != nil {
		return nil, &Failure{Kind: NotJSON, Detail: "the body could not be read to its end", Err: err}
	}
	return data, nil
}

// refuse answers with the problem that stands for err.
func (f *fence) refuse(w http.ResponseWriter, r *http.Request, err error) {
	s := stateOf(r.Context())
	refused, ok := errors.AsType[*Failure](err)
	if !ok && f.Explain != nil {
		refused = f.Explain(r.Context(), err)
	}
	if refused == nil {
		refused = &Failure{Kind: Internal, Err: err}
	}
	if refused.Kind.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		f.Logger.Warn("a request failed", "request", s.number, "method", r.Method, "problem", refused.Kind.Name, "error", cmp.Or(refused.Err, err))
	}
	shown := *refused
	shown.scrub(valuesOf(r, s.body))
	for name, values := range refused.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.Header().Set("Cache-Control", "no-store")
	_ = writeJSON(w, r, refused.Kind.Status, "application/problem+json", shown.problem(f.Pages, s.number)) // a problem always has a form
}

// state is what belongs to one request.
type state struct {
	number  string
	pages   string
	request *http.Request
	body    []byte
}

type stateKey struct{}

// stateOf is the state of a request.
func stateOf(ctx context.Context) *state {
	if s, ok := ctx.Value(stateKey{}).(*state); ok {
		return s
	}
	return &state{}
}

// Request is the request that an operation answers.
func Request(ctx context.Context) *http.Request { return stateOf(ctx).request }

// RequestNumber is the number of the request that ctx belongs to, which its
// answer and the log have.
func RequestNumber(ctx context.Context) string { return stateOf(ctx).number }

// newNumber is a number for a request.
func newNumber() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

// A writer notes whether its answer has started.
type writer struct {
	http.ResponseWriter
	begun bool
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(data []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(data)
}
