package operation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
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

// TestStrictEnds: a body of nothing but mistakes, as large as a body may be, is not
// read to its end once the list is full.
func TestStrictEnds(t *testing.T) {
	const keys = 150_000
	var wrong, doubled, list strings.Builder
	wrong.WriteString(`{"name":"a"`)
	doubled.WriteString(`{"name":"a"`)
	list.WriteString(`{"required":[{}`)
	for i := range keys {
		fmt.Fprintf(&wrong, `,"k%d":0`, i)
		doubled.WriteString(`,"name":"a"`)
		list.WriteString(`,{"k":0}`)
	}
	wrong.WriteString(`}`)
	doubled.WriteString(`}`)
	list.WriteString(`]}`)
	for _, body := range []string{wrong.String(), doubled.String(), list.String()} {
		if found := strict([]byte(body), reflect.TypeFor[thing]()); len(found) != maxFound {
			t.Errorf("%.30s…: %d places, want %d", body, len(found), maxFound)
		}
	}
}

// TestRefusalsEnd: nor is what the library finds.
func TestRefusalsEnd(t *testing.T) {
	errs := make([]error, 100_000)
	for i := range errs {
		errs[i] = &huma.ErrorDetail{Message: "expected string", Location: fmt.Sprintf("body.env[%d]", i)}
	}
	if f := refusal(http.StatusUnprocessableEntity, errs); len(f.Errors) != maxFound {
		t.Errorf("%d places, want %d", len(f.Errors), maxFound)
	}
}

// TestManyValues: repeated values of a body are found without comparing each with all.
func TestManyValues(t *testing.T) {
	texts := make([]string, 200_000)
	for i := range texts {
		texts[i] = fmt.Sprintf("v%06d", i/2)
	}
	body, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	values := valuesOf(httptest.NewRequest(http.MethodPost, "/?q=the-longest", nil), body)
	if len(values) != 1000 || values[0] != "the-longest" {
		t.Errorf("%d values, first %q", len(values), values[0])
	}
	slices.Sort(values)
	if len(slices.Compact(values)) != 1000 {
		t.Error("values are there twice")
	}
}
