package access

import (
	"net/netip"
	"slices"
	"testing"
)

func TestNetworks(t *testing.T) {
	for _, tt := range []struct {
		networks []string
		addr     string // empty: not known
		want     bool
	}{
		{nil, "192.0.2.1", true},
		{nil, "", true},
		{[]string{"10.0.0.0/8"}, "10.1.2.3", true},
		{[]string{"10.0.0.0/8"}, "::ffff:10.1.2.3", true},
		{[]string{"10.0.0.0/8"}, "11.1.2.3", false},
		{[]string{"10.0.0.0/8"}, "", false},
		{[]string{"::ffff:10.0.0.0/104"}, "10.1.2.3", true},
		{[]string{"::ffff:10.0.0.0/104"}, "::ffff:11.0.0.1", false},
		{[]string{"192.0.2.7"}, "192.0.2.7", true},
		{[]string{"192.0.2.7"}, "192.0.2.8", false},
		{[]string{"::ffff:192.0.2.7"}, "192.0.2.7", true},
		{[]string{"2001:db8::/32"}, "2001:db8::1", true},
		{[]string{"2001:db8::/32"}, "2001:db9::1", false},
		{[]string{"fe80::/10"}, "fe80::1%eth0", true},
		{[]string{"0.0.0.0/0"}, "2001:db8::1", false},
		{[]string{"::/0"}, "192.0.2.7", false},
		{[]string{"10.0.0.0/8", "2001:db8::/32"}, "2001:db8::1", true},
	} {
		n, err := ParseNetworks(tt.networks)
		if err != nil {
			t.Errorf("%q: %v", tt.networks, err)
			continue
		}
		var addr netip.Addr
		if tt.addr != "" {
			addr = netip.MustParseAddr(tt.addr)
		}
		if got := n.Contain(addr); got != tt.want {
			t.Errorf("%q contain %q: got %t, want %t", tt.networks, tt.addr, got, tt.want)
		}
	}
	for _, bad := range []string{"", "x", "10.0.0.0/33", "10.0.0.1/8", "10.0.0", "010.0.0.1", "0x0a000001", "167772161", "fe80::1%eth0", "fe80::%eth0/64", "::ffff:10.0.0.0/90", "10.0.0.0/8,10.0.0.1", "10.0.0.0/-1"} {
		if n, err := ParseNetworks([]string{bad}); err == nil {
			t.Errorf("%q: got %v, want an error", bad, n)
		}
	}
}

// What is printed is read as the same.
func FuzzParseNetworks(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8", "::ffff:10.0.0.0/104", "2001:db8::1", "::/0", "1.2.3.4/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseNetworks([]string{text})
		if err != nil {
			return
		}
		again, err := ParseNetworks(n.Texts())
		if err != nil || !slices.Equal(again, n) {
			t.Errorf("%q: got %v, %v, want %v", text, again, err, n)
		}
		if !n.Contain(n[0].Addr()) {
			t.Errorf("%q does not contain itself", text)
		}
	})
}
