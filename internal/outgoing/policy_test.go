package outgoing

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

func TestCheckAddr(t *testing.T) {
	listed := Policy{Networks: prefixes("10.1.0.0/16", "127.0.0.0/8", "fc00::/7", "169.254.0.0/16", "::/0", "100.64.0.0/10")}
	for _, tt := range []struct {
		addr string
		// plain and listed are what is refused of it by the zero policy and by the one
		// above; empty: nothing.
		plain, listed string
	}{
		{"93.184.215.14", "", ""},
		{"2606:2800:21f:cb07:6820:80da:af6b:8b2c", "", ""},
		{"64:ff9b::5db8:d70e", "", ""}, // a public address, by NAT64
		{"127.0.0.1", "loopback", ""},
		{"127.8.8.8", "loopback", ""},
		{"::1", "loopback", ""},
		{"10.1.2.3", "private", ""},
		{"10.2.2.3", "private", "private"},
		{"172.16.0.1", "private", "private"},
		{"172.31.255.255", "private", "private"},
		{"172.32.0.1", "", ""},
		{"192.168.1.1", "private", "private"},
		{"100.64.0.1", "private", ""},
		{"fd12::1", "private", ""},
		{"fec0::1", "private", ""},
		{"198.18.0.1", "reserved", "reserved"},
		{"240.0.0.1", "reserved", "reserved"},
		{"2001:db8::1", "reserved", ""},

		// Never, whatever is listed.
		{"169.254.169.254", "link-local", "link-local"},
		{"169.254.0.1", "link-local", "link-local"},
		{"fe80::1", "link-local", "link-local"},
		{"fe80::1%eth0", "zone", "zone"},
		{"::1%lo", "zone", "zone"},
		{"fd00:ec2::254", "metadata", "metadata"},
		{"100.100.100.200", "metadata", "metadata"},
		{"168.63.129.16", "metadata", "metadata"},
		{"224.0.0.1", "multicast", "multicast"},
		{"ff02::1", "multicast", "multicast"},
		{"0.0.0.0", "unspecified", "unspecified"},
		{"0.1.2.3", "unspecified", "unspecified"},
		{"::", "unspecified", "unspecified"},
		{"255.255.255.255", "broadcast", "broadcast"},

		// IPv4 in IPv6.
		{"::ffff:127.0.0.1", "loopback", ""},
		{"::ffff:10.2.0.1", "private", "private"},
		{"::ffff:169.254.169.254", "link-local", "link-local"},
		{"::ffff:0.0.0.0", "unspecified", "unspecified"},
		{"64:ff9b::a9fe:a9fe", "link-local", "link-local"},
		{"64:ff9b::7f00:1", "loopback", ""},
		{"64:ff9b:1::a9fe:a9fe", "link-local", "link-local"},
		{"::169.254.169.254", "link-local", "link-local"},
		{"::ffff:0:169.254.169.254", "link-local", "link-local"},
		{"2002:a9fe:a9fe::1", "link-local", "link-local"},
		{"2002:0a02:0001::1", "private", "private"},
		{"2002:5db8:d70e::1", "reserved", ""},
		{"2001:0:4136:e378:8000:63bf:5601:5601", "link-local", "link-local"}, // Teredo of 169.254.169.254
		{"2606:2800::5efe:169.254.169.254", "link-local", "link-local"},      // ISATAP
		{"2606:2800::200:5efe:10.2.0.1", "private", "private"},
	} {
		addr := netip.MustParseAddr(tt.addr)
		for _, x := range []struct {
			policy *Policy
			want   string
		}{{&Policy{}, tt.plain}, {&listed, tt.listed}} {
			err := x.policy.CheckAddr(addr)
			if (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
				t.Errorf("%s with %v: got %v, want %q", tt.addr, x.policy.Networks, err, x.want)
			}
			if err != nil && !errors.As(err, new(*RefusedError)) {
				t.Errorf("%s: got %T, want a *RefusedError", tt.addr, err)
			}
		}
	}
	if err := new(Policy).CheckAddr(netip.Addr{}); err == nil {
		t.Error("no address at all was let through")
	}
}

// One bad address among good ones is enough, wherever it stands.
func TestCheckAddrs(t *testing.T) {
	public, inside := netip.MustParseAddr("93.184.215.14"), netip.MustParseAddr("10.0.0.1")
	for _, tt := range []struct {
		addrs []netip.Addr
		ok    bool
	}{
		{[]netip.Addr{public}, true},
		{[]netip.Addr{public, public}, true},
		{[]netip.Addr{public, inside}, false},
		{[]netip.Addr{inside, public}, false},
		{nil, false},
	} {
		if err := new(Policy).CheckAddrs(tt.addrs); (err == nil) != tt.ok {
			t.Errorf("%v: got %v, want ok=%t", tt.addrs, err, tt.ok)
		}
	}
}

const canary = "canary-that-must-not-leak"

func TestCheckURL(t *testing.T) {
	p := Policy{Networks: prefixes("127.0.0.1/32"), Ports: []uint16{8443}}
	for _, tt := range []struct {
		url  string
		want string // of the error; empty: none
	}{
		{"https://hooks.example/", ""},
		{"http://hooks.example", ""},
		{"HTTPS://HOOKS.example./x?y#z", ""},
		{"https://hooks.example:443/", ""},
		{"https://hooks.example:80/", ""},
		{"https://hooks.example:8443/", ""},
		{"http://127.0.0.1/", ""},
		{"http://[::ffff:127.0.0.1]/", ""},
		{"http://xn--bcher-kva.example/", ""},
		{"http://a_b.example/", ""},

		{"ftp://hooks.example/", "http or https"},
		{"file:///etc/passwd", "http or https"},
		{"gopher://hooks.example/", "http or https"},
		{"//hooks.example/", "http or https"},
		{"hooks.example", "http or https"},
		{"https:hooks.example", "names no host"},
		{"https:///path", "names no host"},
		{"https://:443/", "not a name"},
		{"", "http or https"},
		{"https://ann:pass@hooks.example/", "credentials"},
		{"https://ann@hooks.example/", "credentials"},
		{"https://@hooks.example/", "credentials"},
		{"https://hooks.example@127.0.0.2/", "credentials"},
		{"https://hooks.example:22/", "port 22"},
		{"https://hooks.example:0/", "port"},
		{"https://hooks.example:/", "port"},
		{"https://hooks.example:65536/", "port"},
		{"https://hooks.example:080443/", "port"},
		{"https://hooks.example:+443/", "not a URL"},
		{"https://hooks.example:４43/", "not a URL"},
		{"http://127.0.0.2/", "loopback"},
		{"http://169.254.169.254/latest/", "link-local"},
		{"http://[fd00:ec2::254]/", "metadata"},
		{"http://[::ffff:a9fe:a9fe]/", "link-local"},
		{"http://[fe80::1%25eth0]/", "zone"},
		{"http://0/", "number"},
		{"http://2130706433/", "number"},
		{"http://0x7f000001/", "number"},
		{"http://0x7f.0.0.1/", "number"},
		{"http://0177.0.0.1/", "number"},
		{"http://127.1/", "number"},
		{"http://127.0.0.01/", "number"},
		{"http://127.0.0.2./", "number"},
		{"http://127.0.0.0x2/", "number"},
		{"http://hooks.0x/", "number"},
		{"http://hooks..example/", "not a name"},
		{"http://.example/", "not a name"},
		{"http://./", "not a name"},
		{"http://１２７.0.0.1/", "not an ASCII name"},
		{"http://127。0。0。1/", "not an ASCII name"},
		{"http://büch.example/", "not an ASCII name"},
		{"http://hooks.example%00.example/", "not a URL"},
		{"http://hooks example/", "not a URL"},
		{"http://hooks.example\r\nX: y/", "not a URL"},
		{"http://[::1", "not a URL"},
		{"http://" + strings.Repeat("a.", 200) + "example/", "not a name"},
		{"https://hooks.example/" + strings.Repeat("a", MaxURL), "bytes"},
	} {
		err := p.CheckURL(tt.url)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.url, err, tt.want)
		}
		if err := p.CheckURL(tt.url + canary); err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%q: the error has the end of the URL: %v", tt.url, err)
		}
	}
}
