package operation

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// FuzzStrict: what passes is read in the same way by every reader of JSON: each key
// is one of the struct's and is there once, so that writing what was read and
// reading it again loses nothing.
func FuzzStrict(f *testing.F) {
	for _, seed := range []string{
		`{"schema":1,"name":"a"}`, `{"name":"a","NAME":"b"}`, `{"env":{"a":"b","a":"c"}}`, `[1,[2,[3]]]`, `{"inner":{"deep":"x"}}`,
		`null`, `"x"`, `{"a~/b":1}`, `{"required":[{"deep":"x","deep":"y"}]}`, strings.Repeat("[", 70) + strings.Repeat("]", 70),
	} {
		f.Add([]byte(seed))
	}
	shape := reflect.TypeFor[thing]()
	f.Fuzz(func(t *testing.T, data []byte) {
		if !isJSON(data) {
			return
		}
		found := strict(data, shape)
		for _, e := range found {
			if e.Pointer == nil || *e.Pointer != "" && !strings.HasPrefix(*e.Pointer, "/") {
				t.Fatalf("not a place: %+v", e)
			}
		}
		if found != nil {
			return
		}
		var any1, any2 any
		if err := json.Unmarshal(data, &any1); err != nil {
			t.Fatal(err)
		}
		var v thing
		if json.Unmarshal(data, &v) != nil {
			return // the library says so
		}
		read := json.NewDecoder(bytes.NewReader(data))
		read.DisallowUnknownFields()
		if err := read.Decode(new(thing)); err != nil {
			t.Fatalf("%s passed: %v", data, err)
		}
		object, ok := any1.(map[string]any)
		if !ok {
			return
		}
		fields := fieldsOf(shape)
		for key := range object {
			if fields[key] == nil {
				t.Fatalf("%q passed in %s", key, data)
			}
		}
		again, err := json.Marshal(any1)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &any2); err != nil || !reflect.DeepEqual(any1, any2) {
			t.Fatalf("%s is read as %s", data, again)
		}
	})
}
