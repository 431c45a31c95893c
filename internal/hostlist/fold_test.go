package hostlist

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func names(tb testing.TB, text string) []string {
	tb.Helper()
	list, err := Expand(text)
	if err != nil {
		tb.Fatal(err)
	}
	return list
}

func TestFold(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"one", "web1", "web1"},
		{"a run", "web[01-20].fra", "web[01-20].fra"},
		{"a gap", "web[01-07].fra,web[09-20].fra", "web[01-07,09-20].fra"},
		{"two", "web1,web2", "web[1-2]"},
		{"order and doubles", "b2,a,b10,b1,a", "a,b[1-2,10]"},
		{"crossing a length", "n9,n10,n11", "n[9-11]"},
		{"paddings are different names", "n1,n01,n2,n02", "n[1-2,01-02]"},
		{"where paddings meet", "n9,n09,n10", "n[9,09-10]"},
		{"zero", "n0,n00,n1", "n[0-1,00]"},
		{"two dimensions", "rack[1-2]n[1-3]", "rack[1-2]n[1-3]"},
		{"two dimensions, one missing", "rack1n[1-3],rack2n[1-2]", "rack1n[1-3],rack2n[1-2]"},
		{"only one number varies", "10.0.0.[1-3]", "10.0.0.[1-3]"},
		{"different domains", "web[1-2].fra,web[1-2].ber", "web[1-2].ber,web[1-2].fra"},
		{"no numbers", "b,a,c", "a,b,c"},
		{"IPv6 in brackets", "[2001:db8::1],[2001:db8::2]", "[2001:db8::1],[2001:db8::2]"},
		{"IPv6", "fe::1,fe::2", "fe::[1-2]"},
		{"more digits than a range takes", "n1234567890123456789,n1234567890123456790", "n1234567890123456789,n1234567890123456790"},
		{"natural order", "w10,x1,w9y,w2", "w[2,10],w9y,x1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Fold(names(t, tt.in)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if got := Fold(nil); got != "" {
		t.Errorf("Fold of nothing: got %q, want nothing", got)
	}
}

// sameSet fails unless expand(fold(x)) is the set x.
func sameSet(tb testing.TB, list []string) {
	tb.Helper()
	folded := Fold(list)
	if len(list) == 0 {
		return
	}
	if slow := foldAny(list); slow != folded {
		tb.Fatalf("Fold gave %s, want %s, as for any names", Quote(folded), Quote(slow))
	}
	got, err := Expand(folded)
	if err != nil {
		tb.Fatalf("Fold gave %s: %v", Quote(folded), err)
	}
	slices.Sort(got)
	want := slices.Compact(slices.Sorted(slices.Values(list)))
	if !slices.Equal(got, want) {
		tb.Fatalf("Fold gave %s, which expands to %d names, want %d", Quote(folded), len(got), len(want))
	}
}

func TestFoldExpandIsTheSameSet(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		list := make([]string, random.IntN(60))
		for i := range list {
			list[i] = fmt.Sprintf("r%dn%0*d.%d", random.IntN(3), random.IntN(4), random.IntN(12), random.IntN(2))
		}
		sameSet(t, list)
	}
}

// Lists that are in order fold as any others.
func TestFoldOfSorted(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	fast := 0
	for range 500 {
		var list []string
		format := []string{"web%d", "n%03d.fra", "%02d", "r1n%d"}[random.IntN(4)]
		for i, n := 0, random.IntN(12); i < random.IntN(30); i, n = i+1, n+1+random.IntN(3)/2 {
			list = append(list, fmt.Sprintf(format, n))
		}
		if _, ok := foldSorted(list); ok {
			fast++
		}
		sameSet(t, list)
	}
	if fast < 50 {
		t.Errorf("only %d lists were in order", fast)
	}
}

func TestFoldIsStable(t *testing.T) {
	list := names(t, "a[1-3]b[01-12],x,y[7-9],a9")
	want := Fold(list)
	random := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if got := Fold(list); got != want {
			t.Fatalf("got %s, want %s for any order", got, want)
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"web1 web2", "n9 n09 n10", "a1b2 a1b3 a2b2", "[2001:db8::1]", "1.1.1.1 1.1.1.2", "00 0 1 01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var list []string
		for _, name := range strings.Fields(text) {
			if CheckName(name, true) == nil {
				list = append(list, name)
			}
		}
		sameSet(t, list)
	})
}

func BenchmarkFold(b *testing.B) {
	random := rand.New(rand.NewPCG(5, 6))
	unfoldable := make([]string, 10_000)
	for i := range unfoldable {
		for range 12 {
			unfoldable[i] += string(rune('a' + random.IntN(26)))
		}
	}
	hashes := make([]string, 10_000)
	for i := range hashes {
		hashes[i] = fmt.Sprintf("i-%016x", random.Uint64())
	}
	sparse := make([]string, 10_000)
	for i := range sparse {
		sparse[i] = fmt.Sprintf("n%d", random.IntN(1_000_000_000))
	}
	for _, bb := range []struct {
		name string
		list []string
	}{
		{"range", names(b, "web[00001-10000].fra.example.com")},
		{"grid", names(b, "rack[1-100]n[1-100]")},
		{"sparse", sparse},
		{"unfoldable", unfoldable},
		{"hashes", hashes},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Fold(bb.list)
			}
		})
	}
}
