package hostlist

import (
	"slices"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"plain", "web1", []string{"web1"}},
		{"list", "a, b ,c", []string{"a", "b", "c"}},
		{"padding", "web[08-11].fra", []string{"web08.fra", "web09.fra", "web10.fra", "web11.fra"}},
		{"no padding", "n[8-11]", []string{"n8", "n9", "n10", "n11"}},
		{"padding outgrown", "n[98-100],n[098-100]", []string{"n98", "n99", "n100", "n098", "n099", "n100"}},
		{"padded and longer", "n[09-100/90]", []string{"n09", "n99"}},
		{"zero", "n[0-2]", []string{"n0", "n1", "n2"}},
		{"steps", "n[1-9/4]", []string{"n1", "n5", "n9"}},
		{"step beyond the end", "n[1-3/9]", []string{"n1"}},
		{"two dimensions", "rack[a,b]n[1-2]", []string{"rackan1", "rackan2", "rackbn1", "rackbn2"}},
		{"mixed list", "n[1-2,7,x]", []string{"n1", "n2", "n7", "nx"}},
		{"adjacent", "[1-2][3-4]", []string{"13", "14", "23", "24"}},
		{"only a range", "[01-02]", []string{"01", "02"}},
		{"IPv6", "[2001:db8::1],x", []string{"[2001:db8::1]", "x"}},
		{"IPv6 range", "2001:db8::[1-2]", []string{"2001:db8::1", "2001:db8::2"}},
		{"wildcard stays", "web[1-2]*", []string{"web1*", "web2*"}},
		{"large numbers", "n[999999999999999998-999999999999999999]", []string{"n999999999999999998", "n999999999999999999"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Expand(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestExpandErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", `"": column 1: missing name`},
		{"a,,b", `"a,,b": column 3: missing name`},
		{"web[1-", `"web[1-": column 4: [ without ]`},
		{"web1]", `"web1]": column 5: ] without [`},
		{"web[1[2]]", `"web[1[2]]": column 4: [ without ]`},
		{"web[]", `"web[]": column 5: empty range`},
		{"web[1,]", `"web[1,]": column 7: empty range`},
		{"web[9-1]", `"web[9-1]": column 5: the range 9-1 is reversed`},
		{"web[1-9/0]", `"web[1-9/0]": column 5: step "0": want a number from 1`},
		{"web[a-c]", `"web[a-c]": column 5: "a-c": want a range of numbers such as 1-20, or a list: [a,b,c]`},
		{"web[001-20]", `"web[001-20]": column 5: the two ends of 001-20 have different zero padding`},
		{"web[1-020]", `"web[1-020]": column 5: the two ends of 1-020 have different zero padding`},
		{"a,web[1-999999999]", `"a,web[1-999999999]": column 7: the range expands to more than 1000000 names`},
		{"[1-1000][1-1000][1-2]", `"[1-1000][1-1000][1-2]": column 17: the range expands to more than 1000000 names`},
		{"a[1-1000000],b", `"a[1-1000000],b": column 14: more than 1000000 names`},
		{"[1-9999999999999999999]", `"[1-9999999999999999999]": column 2: "1-9999999999999999999": want a range of numbers such as 1-20, or a list: [a,b,c]`},
		{"ü[9-1]", `"ü[9-1]": column 3: the range 9-1 is reversed`},
	}
	for _, tt := range tests {
		if names, err := Expand(tt.text); err == nil || err.Error() != tt.want {
			t.Errorf("Expand(%q): got %d names, %v, want %s", tt.text, len(names), err, tt.want)
		}
	}
}

// A range that stands for too many names is refused before memory is spent.
func TestExplosionIsCheap(t *testing.T) {
	got := testing.AllocsPerRun(10, func() {
		if _, err := Expand("web[1-999999999]"); err == nil {
			t.Error("got no error, want one")
		}
	})
	if got > 50 {
		t.Errorf("got %v allocations, want a handful", got)
	}
}

// FuzzExpand: nothing panics or returns more names than allowed, and a name
// that came out stands for itself.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{"web[01-20].fra", "n[1-9/2]", "rack[a,b]n[1-3]", "[2001:db8::1]:22", "a,b", "[", "x[1-999999999]", "[1-1000][1-1000]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		names, err := Expand(text)
		if err != nil {
			if !strings.Contains(err.Error(), "column ") {
				t.Fatalf("%v has no column", err)
			}
			return
		}
		if len(names) == 0 || len(names) > MaxNames {
			t.Fatalf("%d names", len(names))
		}
		for _, name := range names[:min(len(names), 10)] {
			again, err := Expand(name)
			if err != nil || len(again) != 1 || again[0] != name {
				t.Fatalf("%q expands to %q, %v", name, again, err)
			}
		}
	})
}
