package operation

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tutti/api"
	"tutti/internal/yamltree"
)

const (
	// maxDepth is how deep a body may be nested.
	maxDepth = 64
	// maxFound is how many wrong places of a request are reported. The search stops there,
	// so that a body of nothing but mistakes costs no more than another.
	maxFound = 20
)

// isJSON reports whether data is one JSON value in UTF-8.
func isJSON(data []byte) bool { return utf8.Valid(data) && json.Valid(data) }

// strict finds what the library lets pass in data, which is JSON: repeated keys, and
// keys that t does not have in that case. It returns no value, and at most maxFound
// places.
func strict(data []byte, t reflect.Type) []api.ProblemError {
	w := &walk{dec: json.NewDecoder(bytes.NewReader(data))}
	w.dec.UseNumber()
	w.value(t, "", 0)
	return w.found
}

// A walk goes through a body.
type walk struct {
	dec   *json.Decoder
	found []api.ProblemError
}

// value goes over one value, which is to be a t; nil: anything.
func (w *walk) value(t reflect.Type, at string, depth int) {
	if w.full() {
		return
	}
	token, err := w.dec.Token()
	if err != nil {
		return // it was valid
	}
	open, ok := token.(json.Delim)
	if !ok {
		return
	}
	if depth == maxDepth {
		w.found = append(w.found, api.At(at, "nested too deep"))
		w.rest()
		return
	}
	if t = shapeOf(t); open == '{' {
		w.object(t, at, depth)
	} else {
		var element reflect.Type
		if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
			element = t.Elem()
		}
		for i := 0; !w.full() && w.dec.More(); i++ {
			w.value(element, at+"/"+strconv.Itoa(i), depth+1)
		}
	}
	_, _ = w.dec.Token() // the end of it
}

// object goes over what is left of an object.
func (w *walk) object(t reflect.Type, at string, depth int) {
	seen, fields := map[string]bool{}, keysOf(t)
	for !w.full() && w.dec.More() {
		token, err := w.dec.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return // it was valid
		}
		place := at + "/" + escapePointer(key)
		inner, known := fields(key)
		switch {
		case seen[key]:
			w.found = append(w.found, api.At(place, "is repeated"))
		case !known:
			w.found = append(w.found, api.At(place, unknownText("unknown key", key, namesOf(t))))
		}
		seen[key] = true
		w.value(inner, place, depth+1)
	}
}

// full reports whether enough was found.
func (w *walk) full() bool { return len(w.found) >= maxFound }

// keysOf is a function that returns the type that t has for a key, and whether it has
// the key.
func keysOf(t reflect.Type) func(key string) (reflect.Type, bool) {
	switch {
	case t != nil && t.Kind() == reflect.Map:
		return func(string) (reflect.Type, bool) { return t.Elem(), true }
	case t != nil && t.Kind() == reflect.Struct:
		fields := fieldsOf(t)
		return func(key string) (reflect.Type, bool) {
			f, ok := fields[key]
			return f, ok
		}
	}
	return func(string) (reflect.Type, bool) { return nil, true } // anything, or the library says that it is no object
}

// rest skips what is left of a value that was opened.
func (w *walk) rest() {
	for open := 1; open > 0; {
		token, err := w.dec.Token()
		if err != nil {
			return
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			open++
		case json.Delim('}'), json.Delim(']'):
			open--
		}
	}
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// shapeOf is t without pointers; nil if it reads its JSON itself, or can be
// anything.
func shapeOf(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() == reflect.Interface {
		return nil
	}
	if p := reflect.PointerTo(t); p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler) {
		return nil
	}
	return t
}

// fieldsOf are the fields of a struct by their keys.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case key == "-":
		case f.Anonymous && key == "":
			for k, inner := range fieldsOf(shapeOf(f.Type)) {
				fields[k] = inner
			}
		case f.IsExported() && key != "":
			fields[key] = f.Type
		}
	}
	return fields
}

// namesOf are the keys of a struct, sorted.
func namesOf(t reflect.Type) []string {
	var names []string
	for name := range fieldsOf(t) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// unknownText adds to text the known name that may have been meant.
func unknownText(text, name string, known []string) string {
	if near := yamltree.Nearest(name, known); near != "" {
		return text + "; did you mean " + near + "?"
	}
	return text
}
