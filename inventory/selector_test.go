package inventory

import (
	"errors"
	"slices"
	"testing"

	"tutti/internal/hostlist"
)

func TestSelectorString(t *testing.T) {
	tests := []struct{ in, want string }{
		{"web", "web"},
		{" web , db ", "web,db"},
		{"web,!web13,&dc=fra", "web,!web13,&dc=fra"},
		{"'web'", "web"},
		{"! 'a=x,y'", "!'a=x,y'"},
		{"'l=it''s'", "l=it's"},
		{"a='x", "a='x"},
		{"'a=b '", "'a=b '"},
		{`~^web\d{1,2}$,db`, `~^web\d{1,2}$,db`},
		{`~a\[b`, `~a\[b`},
		{`'~[[]'`, `'~[[]'`},
		{"web[01-20,22].fra,x", "web[01-20,22].fra,x"},
		{"run:142:unreachable+lost", "run:142:unreachable+lost"},
		{"@a file", "@a file"},
		{"'@a,b'", "'@a,b'"},
		{"[2001:db8::1]", "[2001:db8::1]"},
		{"role!=primary", "role!=primary"},
		{"dc=", "dc="},
	}
	for _, tt := range tests {
		sel, err := ParseSelector(tt.in)
		if err != nil {
			t.Errorf("ParseSelector(%q): %v", tt.in, err)
			continue
		}
		if got := sel.String(); got != tt.want {
			t.Errorf("ParseSelector(%q): got %s, want %s", tt.in, got, tt.want)
		}
	}
	if got := (Selector{}).String(); got != "all" {
		t.Errorf("the zero value: got %q, want all", got)
	}
}

func TestSelectorErrors(t *testing.T) {
	tests := []struct {
		in     string
		column int
		msg    string
	}{
		{"", 1, "missing item"},
		{"a,,b", 3, "missing item"},
		{"a,", 3, "missing item"},
		{"a,!", 4, "missing item"},
		{"a,'b", 3, "unclosed quote"},
		{"''", 1, "empty quoted item"},
		{"'a'b", 4, "want a comma after the quoted item"},
		{"web[1-", 4, "[ is not closed; if that is intended, quote the item ('…')"},
		{"db,web[9-1]", 8, "the range 9-1 is reversed"},
		{"web[1-999999999]", 5, "the range expands to more than 1000000 names"},
		{"dc=é,~(", 7, "missing closing ): `(`"},
		{"~", 2, "missing regular expression"},
		{"@", 2, "missing file name"},
		{"run:x", 5, `"x": want a run: its number, last, or last~1 for the one before`},
		{"run:0", 5, `"0": want a run: its number, last, or last~1 for the one before`},
		{"run:last~:ok", 5, `"last~": want a run: its number, last, or last~1 for the one before`},
		{"run:1:ok+bad", 10, `unknown outcome "bad": want one of ok, failed, timeout, lost, unreachable, canceled, skipped`},
		{"=x", 1, `"" is not a label name`},
		{"a/b=x", 1, `"a/b" is not a label name`},
		{"!!a", 2, "! can come only once, before the item and its quotes"},
		{"'!a'", 2, "! can come only once, before the item and its quotes"},
		{"web[1-2]/x", 9, `unexpected '/': separate items with commas; an item is a group, a host, a label (name=value) or one of all * [1-9] ~REGEXP @FILE run:N &ITEM !ITEM`},
		{"a b", 2, `unexpected ' ': separate items with commas; an item is a group, a host, a label (name=value) or one of all * [1-9] ~REGEXP @FILE run:N &ITEM !ITEM`},
		{"a\xff", 1, "the text is not UTF-8"},
	}
	for _, tt := range tests {
		_, err := ParseSelector(tt.in)
		var se *SelectorError
		if !errors.As(err, &se) || se.Column != tt.column || se.Msg != tt.msg {
			t.Errorf("ParseSelector(%q): got %v, want column %d: %s", tt.in, err, tt.column, tt.msg)
		}
	}
}

func TestOnlyAndExclude(t *testing.T) {
	sel, err := ParseSelector("web")
	if err != nil {
		t.Fatal(err)
	}
	narrowed, err := sel.Only("dc=fra")
	if err != nil {
		t.Fatal(err)
	}
	narrowed, err = narrowed.Exclude("web[1,2],db")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := narrowed.String(), "web,&dc=fra,!web[1,2],!db"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := sel.String(); got != "web" {
		t.Errorf("the first selector became %s", got)
	}
	if _, err := sel.Only("a,b"); err == nil {
		t.Error("Only of two items: got no error")
	}
	for _, text := range []string{"!a", "&a", "", "a["} {
		if _, err := sel.Exclude(text); err == nil {
			t.Errorf("Exclude(%q): got no error", text)
		}
	}
}

func TestUsesRuns(t *testing.T) {
	for text, want := range map[string]bool{"web": false, "web,!run:last": true, "run:3": true, "@f": false} {
		sel, err := ParseSelector(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := sel.UsesRuns(); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestWildcard(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true},
		{"", "", true},
		{"", "a", false},
		{"a*", "abc", true},
		{"*c", "abc", true},
		{"a*c", "abcbc", true},
		{"a*d", "abc", false},
		{"a?c", "abc", true},
		{"a?", "a", false},
		{"**a**", "bab", true},
		{"*ab*ab", "abxab", true},
		{"*ab*ab", "ab", false},
	}
	for _, tt := range tests {
		if got := hostlist.Match(tt.pattern, tt.name); got != tt.want {
			t.Errorf("wildcard(%q, %q): got %v, want %v", tt.pattern, tt.name, got, tt.want)
		}
	}
}

// FuzzSelector: what parses prints as a text that parses to the same, and what
// does not has a column in the text.
func FuzzSelector(f *testing.F) {
	for _, s := range []string{"web,!web13,&dc=fra", `~^web\d{1,2}$`, "'a,b=c','it''s=x'", "run:last~1:failed+lost", "@f", "web[01-20].fra*", "a!=b", "[2001:db8::1]", "all", "~[[]", "& 'x'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sel, err := ParseSelector(text)
		if err != nil {
			var se *SelectorError
			if !errors.As(err, &se) || se.Column < 1 || se.Column > len([]rune(text))+1 {
				t.Fatalf("%q: got %v, want a column in the text", text, err)
			}
			return
		}
		printed := sel.String()
		again, err := ParseSelector(printed)
		if err != nil {
			t.Fatalf("%q printed as %q: %v", text, printed, err)
		}
		same := slices.EqualFunc(sel.items, again.items, func(a, b item) bool {
			return a.op == b.op && a.kind == b.kind && a.text == b.text
		})
		if !same || again.String() != printed {
			t.Fatalf("%q printed as %q, and then as %q", text, printed, again)
		}
	})
}

func TestSelectorFiles(t *testing.T) {
	sel, err := ParseSelector("web,@/etc/down,!@more,'@a b'")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := sel.Files(), []string{"/etc/down", "more", "a b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
