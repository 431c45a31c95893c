package operation

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"tutti/api"
)

// An Alias says that a type is written as JSON like another one.
type Alias struct{ Of, As reflect.Type }

// library is the configuration of the library: it adds nothing to answers, serves no
// pages, and prints nothing.
func (f *fence) library() huma.Config {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	for _, a := range f.Aliases {
		schemas.RegisterTypeAlias(a.Of, a.As)
	}
	format := huma.Format{
		Marshal:   func(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) },
		Unmarshal: json.Unmarshal,
	}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI:    "3.1.0",
			Info:       &huma.Info{Title: f.Title, Version: f.Version},
			Servers:    []*huma.Server{{URL: f.Base}},
			Components: &huma.Components{Schemas: schemas},
		},
		Formats:       map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat: "application/json",
	}
}

// schemaOf describes a type of answers.
func (f *fence) schemaOf(t reflect.Type) *huma.Schema {
	return f.api.OpenAPI().Components.Schemas.Schema(t, true, "")
}

// describeProblems describes the problems of an operation: its own and the fence's.
func (o *Operation) describeProblems(f *fence, h *huma.Operation) {
	kinds := slices.Clone(o.Problems)
	kinds = append(kinds, Invalid, Internal)
	if o.Action != "" {
		kinds = append(kinds, f.Common...)
	}
	if o.hasBody {
		kinds = append(kinds, NotJSON, TooLarge, BadMedia)
	}
	names := map[int][]string{}
	for _, k := range kinds {
		if !slices.Contains(names[k.Status], k.Name) {
			names[k.Status] = append(names[k.Status], k.Name)
		}
	}
	for status, all := range names {
		text := http.StatusText(status) + ":"
		for _, name := range all {
			text += " " + name
		}
		h.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: text,
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: f.schemaOf(reflect.TypeFor[api.Problem]())}},
		}
	}
}

// finishDocument encodes the document, when all operations are in it.
func (f *fence) finishDocument(table []Operation) {
	doc := f.api.OpenAPI()
	schemas := doc.Components.Schemas.Map()
	for _, s := range schemas {
		s.AdditionalProperties = nil // clients have to bear what is added later
	}
	for i := range table {
		f.closeBody(&table[i])
	}
	data, err := json.Marshal(doc)
	if err != nil {
		panic(err) // it is made of the table only, and a test writes it
	}
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		panic(err)
	}
	b.WriteByte('\n')
	f.document = b.Bytes()
}

// closeBody documents that the body of o has no other keys.
func (f *fence) closeBody(o *Operation) {
	t := shapeOf(o.body)
	if t == nil || t.Kind() != reflect.Struct {
		return
	}
	f.closeType(t)
}

func (f *fence) closeType(t reflect.Type) {
	s := f.api.OpenAPI().Components.Schemas.Schema(t, false, "")
	if s.AdditionalProperties == false {
		return
	}
	s.AdditionalProperties = false
	for _, inner := range fieldsOf(t) {
		for inner != nil && (inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map) {
			inner = inner.Elem()
		}
		if inner = shapeOf(inner); inner != nil && inner.Kind() == reflect.Struct {
			f.closeType(inner)
		}
	}
}
