// Package jsondoc holds what is printed as JSON against the manual, docs/json.md,
// in both directions: a field that is not described, and one that is described
// and does not exist, fail a test.
package jsondoc

import (
	"encoding"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	row     = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
	heading = regexp.MustCompile("(?m)^## (.*)$")
)

// Read reads the manual from root, the top of the repository.
func Read(tb testing.TB, root string) map[string][]string {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(root, "docs", "json.md"))
	if err != nil {
		tb.Fatal(err)
	}
	return parse(string(data))
}

// parse returns the fields that each section names in its table.
func parse(text string) map[string][]string {
	sections := make(map[string][]string)
	places := heading.FindAllStringSubmatchIndex(text, -1)
	for i, at := range places {
		end := len(text)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		title := strings.ReplaceAll(text[at[2]:at[3]], "`", "")
		for _, m := range row.FindAllStringSubmatch(text[at[1]:end], -1) {
			sections[title] = append(sections[title], m[1])
		}
	}
	return sections
}

// Check compares the fields of v, a struct that is printed, with those that the
// sections of the manual describe together.
func Check(tb testing.TB, manual map[string][]string, v any, sections ...string) {
	tb.Helper()
	var described []string
	for _, s := range sections {
		if manual[s] == nil {
			tb.Errorf("docs/json.md has no section %q with a table", s)
		}
		described = append(described, manual[s]...)
	}
	fields := Fields(v)
	for _, f := range fields {
		if !slices.Contains(described, f) {
			tb.Errorf("%T: docs/json.md does not describe %q in %q", v, f, sections)
		}
	}
	for _, d := range described {
		if !slices.Contains(fields, d) {
			tb.Errorf("%T: docs/json.md describes %q in %q, which does not exist", v, d, sections)
		}
	}
}

// Fields are the names of all that is printed of v: error.op is a field in an
// object, next[].due_at one in a list of objects.
func Fields(v any) []string { return fields(reflect.TypeOf(v), "", nil) }

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// selfDescribed reports whether t, or what it lists, is an object that says which
// it is, and so has a section of its own.
func selfDescribed(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return false
	}
	schema, ok := t.FieldByName("Schema")
	return ok && schema.Tag.Get("json") == "schema"
}

func fields(t reflect.Type, prefix string, within []reflect.Type) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 {
		if prefix != "" {
			prefix = strings.TrimSuffix(prefix, ".") + "[]."
		}
		return fields(t.Elem(), prefix, within)
	}
	if t.Kind() != reflect.Struct || slices.Contains(within, t) ||
		t.Implements(jsonMarshaler) || t.Implements(textMarshaler) || reflect.PointerTo(t).Implements(jsonMarshaler) {
		return nil // one value, or what it contains itself
	}
	within = append(slices.Clone(within), t)
	var all []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case f.Anonymous && name == "":
			all = append(all, fields(f.Type, prefix, within)...)
		case f.IsExported() && name != "":
			all = append(all, prefix+name)
			if !selfDescribed(f.Type) {
				all = append(all, fields(f.Type, prefix+name+".", within)...)
			}
		}
	}
	return all
}
