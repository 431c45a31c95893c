package inventory

import (
	"errors"
	"strings"
	"testing"

	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// parseText parses text as one layer and builds an inventory of it.
func parseText(parse func(layer.File, *builder) (*layer.Layer, error)) (*Inventory, error) {
	var problems yamltree.Problems
	b := newBuilder(&problems)
	l, err := parse(layer.File{Path: "f", Trust: layer.Named}, b)
	if err != nil {
		return nil, err
	}
	b.add(l)
	return b.build()
}

// checkLoaded fails unless an error has positions, and an inventory is sound:
// every host is found by its name and is a member of its groups.
func checkLoaded(t *testing.T, inv *Inventory, err error) {
	t.Helper()
	if err != nil {
		var errs *yamltree.Errors
		var one *yamltree.Error
		switch {
		case errors.As(err, &errs):
			for _, e := range errs.List {
				if e.Line < 1 || e.Column < 1 {
					t.Fatalf("%v has no position", e)
				}
			}
		case !errors.As(err, &one) || one.Line < 1:
			t.Fatalf("%v (%T) has no position", err, err)
		}
		return
	}
	for i, h := range inv.hosts {
		if found, ok := inv.Host(h.Name); !ok || found != h || hostlist.CheckName(h.Name, true) != nil {
			t.Fatalf("host %q is not found by its name", h.Name)
		}
		for _, g := range h.Groups {
			if members := inv.members[g]; len(members) == 0 || members[0] > i {
				t.Fatalf("host %q is no member of its group %q", h.Name, g)
			}
		}
		if i == 100 {
			break
		}
	}
}

func FuzzYAML(f *testing.F) {
	for _, s := range []string{fleet, small, "hosts: [a, 'b[1-3]']", "groups: {a: {groups: [a]}}", "hosts: &h {a: {port: 22}}\ngroups: {g: {hosts: *h}}", "hosts: {'n[1-2]': {address: '10.0.0.[1-2]'}}", "web: {hosts: [a]}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		inv, err := parseText(func(f layer.File, b *builder) (*layer.Layer, error) {
			root, err := yamltree.ParseLoose(f.Path, []byte(text))
			if err != nil {
				return nil, err
			}
			return parseYAML(f, root, b)
		})
		checkLoaded(t, inv, err)
	})
}

func FuzzPlain(f *testing.F) {
	for _, s := range []string{"web1\nroot@web2:22 # x\r\n[2001:db8::1]:22\nfe80::1", "a[1-3]:22\n", "@", ":", "[", "a b", "u@[::1", "2001:db8::[1-2]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		inv, err := parseText(func(f layer.File, b *builder) (*layer.Layer, error) { return parsePlain(f, text, b) })
		checkLoaded(t, inv, err)
	})
}

func FuzzParseHosts(f *testing.F) {
	for _, s := range []string{"web[1-9],db1:2222,root@10.0.0.7,[2001:db8::1]:22", "a,a", "", "é@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, words string) {
		inv, err := ParseHosts(words)
		if err == nil {
			checkLoaded(t, inv, nil)
			return
		}
		if !strings.Contains(err.Error(), "column ") {
			t.Fatalf("%v has no column", err)
		}
	})
}
