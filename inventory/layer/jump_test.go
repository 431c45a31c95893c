package layer

import (
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
		{"a,none", "cannot be combined"},
		{"web[1-2]", "cannot be a range"},
		{"a b", "cannot contain spaces"},
		{"a:0", "want 1 to 65535"},
		{"-oProxyCommand=x", "begins with a dash"},
		{"a;reboot", "is not allowed in the name"},
		{"../x", "is not allowed in the name"},
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
