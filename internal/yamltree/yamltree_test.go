package yamltree

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParseText(t *testing.T) {
	const text = "a: NO\nb: 0644\nc: 1e3\nd:\ne: ~\nf: '~'\ng: [x, 'y z']\nh: {k: v}\ni: &n 2026-01-02\nj: *n\n"
	root, err := Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for k, v := range root.Fields() {
		got = append(got, fmt.Sprintf("%s %v %q %s", k.Text(), v.Kind(), v.Text(), v.Pos()))
	}
	want := []string{
		`a a single value "NO" f.yaml:1:4`,
		`b a single value "0644" f.yaml:2:4`,
		`c a single value "1e3" f.yaml:3:4`,
		`d nothing "" f.yaml:4:3`,
		`e nothing "~" f.yaml:5:4`,
		`f a single value "~" f.yaml:6:4`,
		`g a list "" f.yaml:7:4`,
		`h a mapping "" f.yaml:8:4`,
		`i a single value "2026-01-02" f.yaml:9:4`,
		`j a single value "2026-01-02" f.yaml:9:4`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if v, ok := root.Field("g"); !ok || len(slices.Collect(v.Items())) != 2 {
		t.Errorf("Field(g) has %d items, want 2", len(slices.Collect(v.Items())))
	}
	if _, ok := root.Field("zz"); ok {
		t.Error("Field(zz) found a key that is not there")
	}
}

func TestFieldsMerge(t *testing.T) {
	root, err := Parse("f.yaml", []byte("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	d, _ := root.Field("d")
	var got []string
	for k, v := range d.Fields() {
		got = append(got, k.Text()+"="+v.Text())
	}
	if want := []string{"b=1", "c=3"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseEmpty(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "\ufeff"} {
		root, err := Parse("f.yaml", []byte(text))
		if err != nil || root.Kind() != Null {
			t.Errorf("Parse(%q): got %v, %v, want null", text, root.Kind(), err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	bomb := "a0: &a0 [x, x]\n"
	for i := 1; i < 30; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [*a%d, *a%d]\n", i, i, i-1, i-1)
	}
	tests := []struct {
		name, text string
		want       string
	}{
		{"duplicate", "a: 1\nb: 2\na: 3\n", `f.yaml:3:1: duplicate key "a"; the first is at line 1, column 1`},
		{"two documents", "a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document starts here; a file contains one"},
		{"tab", "a:\n\tb: 1\n", "f.yaml:2:1: indent with spaces, not tabs"},
		{"at sign", "a: @x\n", `f.yaml:1:4: a value cannot begin with '@': put it in quotes`},
		{"unclosed", "a: [1, 2\n", "f.yaml:2:1: did not find expected ',' or ']' (while parsing a flow sequence that begins at line 1, column 4)"},
		{"unknown alias", "a: *x\n", "f.yaml:1:4: the alias (*) has no anchor (&); text that begins with * needs quotes"},
		{"alias in itself", "a: &x [*x]\n", "f.yaml:1:8: the alias *x contains itself"},
		{"alias bomb", bomb, "f.yaml:1:1: aliases expand the document to more than 1000000 values"},
		{"merge of no mapping", "a: &x [b]\nc:\n  <<: *x\n", "f.yaml:1:8: <<: want a mapping, such as *NAME of one marked &NAME"},
		{"merge of a value", "a: 1\nc:\n  <<: x\n", "f.yaml:3:7: <<: want a mapping or a list of mappings, such as *NAME of one marked &NAME"},
		{"list as key", "[a, b]: c\n", "f.yaml:1:1: a key must be a single value; a name with brackets needs quotes"},
		{"tag", "a: !vault x\n", `f.yaml:1:4: unsupported tag "!vault"`},
		{"not UTF-8", "a: 1\nü: \xff\n", "f.yaml:2:4: the file is not UTF-8: byte 0xff"},
		{"UTF-16", "\xff\xfea\x00", "f.yaml:1:1: the file is UTF-16; save it as UTF-8"},
		{"control character", "a: 1\nb: x\x00\n", "f.yaml:2:5: control character 0x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte(tt.text), "a")
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			var errs *Errors
			if !errors.As(err, &errs) {
				t.Errorf("got %T, want *Errors", err)
			}
		})
	}
}

// TestStrangersAreNotQuoted: of a document that has none of our keys an error
// shows nothing.
func TestStrangersAreNotQuoted(t *testing.T) {
	for _, text := range []string{
		"SECRET: 1\nb: 2\nSECRET: 3\n", "b: &SECRET [*SECRET]\n", "b: *SECRET\n", "b: !SECRET x\n",
		"? [SECRET]\n: b\n", "'SECRET", "SECRET: [", "%SECRET x\n--- b", "SECRET\n--- SECRET", "b: 'SECRET' SECRET", "b: \"\\SECRET\"",
		"- SECRET\nSECRET: x", "SECRET: SECRET: SECRET", "b: |SECRET\n", "b: !!SECRET!! x", "b: !<SECRET x", "b: @SECRET", "b: `SECRET", "b: %SECRET",
	} {
		for name, parse := range map[string]func() (Node, error){
			"Parse":      func() (Node, error) { return Parse("f.yaml", []byte(text), "jobs") },
			"ParseLoose": func() (Node, error) { return ParseLoose("f.yaml", []byte(text)) },
		} {
			if _, err := parse(); err != nil && strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%s of %q quotes the file: %v", name, text, err)
			}
		}
	}
	if _, err := Parse("f.yaml", []byte("jobs: 1\njbos: 2\njbos: 3\n"), "jobs"); err == nil || !strings.Contains(err.Error(), `"jbos"`) {
		t.Errorf("the caller's own document: got %v, want the key", err)
	}
}

func TestMistake(t *testing.T) {
	inner := Mistakef("%q is not a port", "SECRET")
	m := Mistakef("%s: %q in %v, %c and %d, %v; want %s", "SECRET", "SECRET", errors.New("SECRET"), '/', 7, inner, Word("a name"))
	if want := `SECRET: "SECRET" in SECRET, / and 7, "SECRET" is not a port; want a name`; m.Error() != want {
		t.Errorf("got %s, want %s", m.Error(), want)
	}
	if want := "…: … in …, / and 7, … is not a port; want a name"; m.Bare() != want {
		t.Errorf("bare: got %s, want %s", m.Bare(), want)
	}
}

func TestDuplicateAmongMany(t *testing.T) {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "k%d: x\n", i)
	}
	b.WriteString("k50: y\n")
	_, err := Parse("f.yaml", []byte(b.String()), "k1")
	if want := `f.yaml:101:1: duplicate key "k50"; the first is at line 51, column 1`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestProblemsAreBoundedAndOrdered(t *testing.T) {
	var p Problems
	for i := 12; i > 0; i-- {
		p.Addf(Pos{File: "f", Line: i, Column: 1}, "bad")
	}
	var errs *Errors
	if !errors.As(p.Err(), &errs) {
		t.Fatalf("got %T, want *Errors", p.Err())
	}
	if len(errs.List) != 10 || errs.Omitted != 2 {
		t.Errorf("got %d errors and %d omitted, want 10 and 2", len(errs.List), errs.Omitted)
	}
	if !errors.Is(errs, errs.List[4]) {
		t.Error("the errors of the list are not found in their whole")
	}
	if errs.List[0].Line != 3 || !strings.HasSuffix(errs.Error(), "\nand 2 more") {
		t.Errorf("got %s, want line 3 first and 2 more at the end", errs)
	}
	if (&Problems{}).Err() != nil {
		t.Error("no problems must be a nil error")
	}
}

func TestFields(t *testing.T) {
	root, err := Parse("f.yaml", []byte("addrss: x\nport: 1\nzzzzzz: 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	var p Problems
	var got []string
	p.Fields(root, "host db1", []string{"address", "port"}, func(k, v Node) { got = append(got, k.Text()+"="+v.Text()) })
	if want := []string{"port=1"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	want := `f.yaml:1:1: host db1: unknown key "addrss"; did you mean "address"?` + "\n" +
		`f.yaml:3:1: host db1: unknown key "zzzzzz"; known are address, port`
	if err := p.Err(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	p = Problems{}
	v, _ := root.Field("port")
	p.Fields(v, "host db1", nil, nil)
	if want := "f.yaml:2:7: host db1: want a mapping, got a single value"; p.Err() == nil || p.Err().Error() != want {
		t.Errorf("got %v, want %s", p.Err(), want)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"address", "port", "user", "identity", "timeout", "connect_timeout", "web", "db"}
	tests := []struct{ word, want string }{
		{"addrss", "address"},
		{"prot", "port"},
		{"Users", "user"},
		{"wbe", "web"},
		{"timout", "timeout"},
		{"connect-timeout", "connect_timeout"},
		{"something", ""},
		{"", ""},
		{strings.Repeat("x", 10_000), ""},
	}
	for _, tt := range tests {
		if got := Nearest(tt.word, known); got != tt.want {
			t.Errorf("Nearest(%.20q): got %q, want %q", tt.word, got, tt.want)
		}
	}
	if got, want := NearestN("web3", []string{"web30", "web1", "x", "web2", "web3x"}, 3), []string{"web30", "web1", "web2"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// FuzzParse: no input makes Parse panic, every error has a line and a column,
// and what is accepted can be walked to its end.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "a: 1", "a: &x [1]\nb: *x", "a: &x [*x]", "- a\n- {b: c}", "? [a]\n: b", "\t", "a: \xff", "--- a\n...\n--- b", "!!str a: !x b", "&a *a"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := Parse("f", data)
		if err == nil {
			walk(t, root, 0)
			return
		}
		var errs *Errors
		if !errors.As(err, &errs) || len(errs.List) == 0 {
			t.Fatalf("got %T, want *Errors with a list", err)
		}
		for _, e := range errs.List {
			if e.Line < 1 || e.Column < 1 {
				t.Fatalf("%v has no position", e)
			}
		}
	})
}

func walk(tb testing.TB, n Node, depth int) {
	tb.Helper()
	if depth > 20_000 {
		tb.Fatal("the tree has no end")
	}
	for c := range n.Items() {
		walk(tb, c, depth+1)
	}
	for k, v := range n.Fields() {
		if k.Kind() != Scalar && k.Kind() != Null {
			tb.Fatalf("key of kind %v", k.Kind())
		}
		walk(tb, v, depth+1)
	}
}
