package operation

import (
	"context"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tutti/access"
)

// A Spec is what the table says of an operation.
type Spec struct {
	// Method and Path are its route; {name} stands for one segment of the path.
	Method, Path string
	// ID is its name for programs, Summary what it does, and Tag its subject.
	ID, Summary, Tag string
	// Action is what the principal must be allowed to do; empty: no login is needed.
	Action access.Action
	// Statuses are those of answers that are no problems, the usual one first; nil:
	// 200.
	Statuses []int
	// Problems are its own; those of the fence are added.
	Problems []Kind
	// Types are the types of its answer; nil: application/json.
	Types []string
	// Forms has one of each form that its answer may have; nil: it has one.
	Forms []any
	// Accepts are the types of its body; nil: application/json.
	Accepts []string
	// MaxBody bounds the body, in bytes; 0: 2 MiB.
	MaxBody int64
	// Starts: it starts work, and accepts an Idempotency-Key.
	Starts bool
	// Changes: it changes something on the server; reading operations do not.
	Changes bool
}

// maxBody is the usual limit of a body.
const maxBody = 2 << 20

// An Operation is an entry of the table. It is made by [Of] and [ListOf].
type Operation struct {
	Spec
	// body is the type of the body; nil: it has none, or reads it by itself.
	body reflect.Type
	// hasBody: it accepts a body. needsBody: it requires one.
	hasBody, needsBody bool
	register           func(*fence, *Operation)
}

// Role is the least role that may request it; access.NoRole: no login is needed.
func (s *Spec) Role() access.Role {
	if s.Action == "" {
		return access.NoRole
	}
	for r := access.Viewer; r < access.Admin; r++ {
		if r.May(s.Action) {
			return r
		}
	}
	return access.Admin
}

// Status is that of the usual answer.
func (s *Spec) Status() int {
	if len(s.Statuses) == 0 {
		return http.StatusOK
	}
	return s.Statuses[0]
}

// An Answer is what an operation answers.
type Answer[T any] struct {
	// Status is 0 for the usual one.
	Status int
	Body   T
	// Tag is the entity tag, without quotes; empty: none. A GET whose If-None-Match
	// has it is answered by 304.
	Tag string
	// Header is added.
	Header http.Header

	// stream is written instead of the body; nil: it is not.
	stream *Stream
}

// Nothing is the body of an answer that has none.
type Nothing struct{}

// Bytes is a body that is not JSON.
type Bytes struct {
	Type string
	Data []byte
}

// A Stream is a body that Write writes as it is made. Write returns when the client has
// gone or nothing more will come.
type Stream struct {
	Type  string
	Write func(ctx context.Context, w http.ResponseWriter) error
}

// Reply makes an answer of a body.
func Reply[T any](body T) *Answer[T] { return &Answer[T]{Body: body} }

// Of is the operation of a spec, which handle executes. I is a struct as huma wants
// it: fields for the path, the query, headers, and a Body. A field RawBody gets
// the body as it was sent.
func Of[I, T any](s Spec, handle func(context.Context, *I) (*Answer[T], error)) Operation {
	o := Operation{Spec: s}
	o.takeBody(reflect.TypeFor[I]())
	o.register = func(f *fence, o *Operation) {
		described := o.describe(f, reflect.TypeFor[T]())
		huma.Register(f.api, described, func(ctx context.Context, in *I) (*reply, error) {
			answer, err := handle(ctx, in)
			return &reply{func(c huma.Context) {
				r, w := humago.Unwrap(c)
				if err != nil {
					f.refuse(w, r, err)
					return
				}
				send(f, o, w, r, answer)
			}}, nil
		})
	}
	return o
}

// reply is an answer for the library: a function that writes it.
type reply struct {
	Body func(huma.Context)
}

// takeBody sets which body an operation with that input has.
func (o *Operation) takeBody(input reflect.Type) {
	if f, ok := input.FieldByName("Body"); ok {
		o.hasBody, o.body = true, f.Type
		o.needsBody = f.Type.Kind() != reflect.Pointer
	}
	if _, ok := input.FieldByName("RawBody"); ok {
		o.hasBody, o.needsBody = true, true
	}
	if o.MaxBody == 0 {
		o.MaxBody = maxBody
	}
	if o.Accepts == nil {
		o.Accepts = []string{"application/json"}
	}
}

// describe is o for the library.
func (o *Operation) describe(f *fence, body reflect.Type) huma.Operation {
	h := huma.Operation{
		OperationID: o.ID, Method: o.Method, Path: o.Path, Summary: o.Summary,
		Description:      "Least role: " + o.Role().String() + ".",
		Tags:             []string{o.Tag},
		MaxBodyBytes:     o.MaxBody,
		BodyReadTimeout:  -1, // the server has one
		SkipValidateBody: o.body == nil,
		Responses:        map[string]*huma.Response{},
		Extensions:       map[string]any{"x-role": o.Role().String()},
	}
	if o.hasBody && o.body == nil { // the library knows one type of it
		h.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
		for _, name := range o.Accepts {
			h.RequestBody.Content[name] = &huma.MediaType{}
		}
	}
	if o.Starts {
		h.Parameters = append(h.Parameters, idempotencyKey())
	}
	for _, status := range append([]int{o.Status()}, o.Statuses...) {
		h.Responses[strconv.Itoa(status)] = o.response(f, status, body)
	}
	o.describeProblems(f, &h)
	return h
}

// response describes an answer that is no problem.
func (o *Operation) response(f *fence, status int, body reflect.Type) *huma.Response {
	r := &huma.Response{Description: http.StatusText(status)}
	if body == reflect.TypeFor[Nothing]() || status == http.StatusNoContent {
		return r
	}
	types := o.Types
	if types == nil {
		types = []string{"application/json"}
	}
	r.Content = map[string]*huma.MediaType{}
	for _, name := range types {
		media := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		if name == "application/json" {
			media.Schema = f.schemaOf(body)
			for _, form := range o.Forms {
				media.Schema.AnyOf = append(media.Schema.AnyOf, f.schemaOf(reflect.TypeOf(form)))
			}
		}
		r.Content[name] = media
	}
	return r
}

// idempotencyKey describes the header of operations that start work.
func idempotencyKey() *huma.Param {
	least, most := 1, 255
	return &huma.Param{
		Name: "Idempotency-Key", In: "header", Description: "The same request with the same key within 24 hours is answered as the first was.",
		Schema: &huma.Schema{Type: huma.TypeString, MinLength: &least, MaxLength: &most},
	}
}
