package inventory

import (
	"errors"
	"testing"

	"tutti/inventory/layer"
)

// TestJumpIsInherited: the nearest says how a host is reached, and none is an
// answer.
func TestJumpIsInherited(t *testing.T) {
	inv := load(t, `
defaults: {jump: gate}
hosts:
  gate: {jump: none}
  a:
  b: {jump: "ops@other:2222"}
groups:
  far: {hosts: [c], jump: "gate, inner"}
`)
	for name, want := range map[string]string{"gate": "", "a": "gate", "b": "ops@other:2222", "c": "gate,inner"} {
		h, ok := inv.Host(name)
		if !ok || h.Jump != want {
			t.Errorf("%s: got jump %q, want %q", name, h.Jump, want)
		}
		if _, set := h.Origin(layer.KeyJump); !set {
			t.Errorf("%s: got no origin of its jump", name)
		}
	}
}

// TestCheck: a host that is not selected can be checked all the same.
func TestCheck(t *testing.T) {
	inv := load(t, `
hosts: {a: , b: {user: x}}
groups:
  one: {hosts: [a, b], user: ann}
  two: {hosts: [a, b], user: bob}
`)
	for name, want := range map[string]bool{"a": false, "b": true} {
		h, _ := inv.Host(name)
		err := inv.Check(h)
		if conflict := (*ConflictError)(nil); (err == nil) != want || err != nil && !errors.As(err, &conflict) {
			t.Errorf("%s: got %v, want it usable: %v", name, err, want)
		}
	}
}
