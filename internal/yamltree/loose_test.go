package yamltree

import (
	"strings"
	"testing"
)

func TestMerged(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"plain", "a: 1\nb: 2", "a=1 b=2"},
		{"the later of two", "a: 1\nb: 2\na: 3", "a=3 b=2"},
		{"merge", "<<: {a: 1, b: 2}\nb: 3", "a=1 b=3"},
		{"merge at the end", "b: 3\n<<: {a: 1, b: 2}", "b=3 a=1"},
		{"merge a list: the first wins", "<<: [{a: 1}, {a: 2, b: 2}]", "a=1 b=2"},
		{"merge in a merge", "<<: {<<: {a: 1, b: 1}, b: 2}\nc: 3", "a=1 b=2 c=3"},
		{"a quoted << is a key", "'<<': x", "<<=x"},
		{"keys that are lists", "? [a]\n: 1\nb: 2", "b=2"},
		{"nothing to merge", "<<:\nb: 2", "b=2"},
		{"a list", "[a]", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, err := ParseLoose("f", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for k, v := range root.Merged() {
				got = append(got, k.Text()+"="+v.Text())
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLooseAndStrict(t *testing.T) {
	const text = "a: !vault |\n  x\na: 1\n<<: {b: 2}\n"
	root, err := ParseLoose("f", []byte(text))
	if err != nil {
		t.Fatalf("loosely: got %v, want no error", err)
	}
	if v, _ := root.Field("a"); v.Tag() != "!vault" {
		t.Errorf("tag: got %q, want !vault", v.Tag())
	}
	if v, _ := root.Field("<<"); v.Tag() != "" {
		t.Errorf("a value without a tag: got %q", v.Tag())
	}
	_, want := Parse("f", []byte(text), "a")
	got := root.Strict()
	if want == nil || got == nil || got.Error() != want.Error() {
		t.Errorf("Strict: got %v, want what Parse says: %v", got, want)
	}
	if err := (Node{}).Strict(); err != nil {
		t.Errorf("nothing: got %v", err)
	}
	for _, bad := range []string{"a: &x [*x]", "a: [", "a\x00"} {
		if _, err := ParseLoose("f", []byte(bad)); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}
