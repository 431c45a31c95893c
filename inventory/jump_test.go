package inventory

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseJump(t *testing.T) {
	tests := []struct {
		text string
		want []Hop
		back string
	}{
		{"bastion", []Hop{{Host: "bastion"}}, "bastion"},
		{"ops@bastion.fra:2222", []Hop{{Host: "bastion.fra", User: "ops", Port: 2222}}, "ops@bastion.fra:2222"},
		{"a, b@c ,d:1", []Hop{{Host: "a"}, {Host: "c", User: "b"}, {Host: "d", Port: 1}}, "a,b@c,d:1"},
		{"[fd00::1]:22,fd00::2", []Hop{{Host: "fd00::1", Port: 22}, {Host: "fd00::2"}}, "[fd00::1]:22,[fd00::2]"},
		{"ssh://ops@bastion:22/", []Hop{{Host: "bastion", User: "ops", Port: 22}}, "ops@bastion:22"},
		{"None", nil, "none"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := ParseJump(tt.text)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Fatalf("got %+v, %v, want %+v", got, err, tt.want)
			}
			text, err := jumpText(tt.text)
			if err != nil || text != tt.back {
				t.Errorf("got text %q, %v, want %q", text, err, tt.back)
			}
		})
	}
}

func TestParseJumpRefuses(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "missing"},
		{"a,,b", "missing"},
		{"a,none", "alone"},
		{"web[1-2]", "a range is many hosts"},
		{"a b", "no spaces"},
		{"a:0", "not between 1 and 65535"},
		{"-oProxyCommand=x", "begins with a dash"},
		{"a;reboot", "cannot be in the name"},
		{"../x", "cannot be in the name"},
		{"x`y`@a", "not a login name"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := ParseJump(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v, %v, want an error that says %q", got, err, tt.want)
			}
		})
	}
}

func FuzzParseJump(f *testing.F) {
	f.Add("ops@bastion:22,[fd00::1]:1")
	f.Add("none")
	f.Fuzz(func(t *testing.T, text string) {
		first, err := jumpText(text)
		if err != nil {
			return
		}
		again, err := jumpText(first)
		if err != nil || again != first {
			t.Errorf("%q reads as %q, which reads as %q, %v", text, first, again, err)
		}
	})
}

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
		if _, set := h.Origin(KeyJump); !set {
			t.Errorf("%s: got no origin of its jump", name)
		}
	}
}

// TestCheck: a host that nobody selects can be asked about all the same.
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
