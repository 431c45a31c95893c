package outgoing

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// names are what names mean, one list of addresses after the other; the last stays.
type names map[string][][]string

func (n names) lookup(_ context.Context, name string) ([]netip.Addr, error) {
	lists := n[strings.TrimSuffix(strings.ToLower(name), ".")]
	if len(lists) == 0 {
		return nil, errors.New("no such host " + name + " on 10.0.0.53:53")
	}
	if len(lists) > 1 {
		n[name] = lists[1:]
	}
	var addrs []netip.Addr
	for _, text := range lists[0] {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

var errDown = errors.New("connection refused")

func TestDialer(t *testing.T) {
	n := names{
		"public.example": {{"93.184.215.14", "93.184.215.15"}},
		"mixed.example":  {{"93.184.215.14", "10.0.0.1"}},
		"inside.example": {{"10.0.0.1"}},
		"listed.example": {{"10.9.0.1"}},
		"meta.example":   {{"::ffff:169.254.169.254"}},
		"zone.example":   {{"fe80::1%eth0"}},
		"turns.example":  {{"93.184.215.14"}, {"127.0.0.1"}},
		"none.example":   {{}},
	}
	for _, tt := range []struct {
		address string
		dialled []string // all of them are down
		want    string   // of the error
	}{
		{"public.example:443", []string{"93.184.215.14:443", "93.184.215.15:443"}, "connection refused"},
		{"93.184.215.14:80", []string{"93.184.215.14:80"}, "connection refused"},
		{"[::ffff:93.184.215.14]:80", []string{"93.184.215.14:80"}, "connection refused"},
		{"listed.example:443", []string{"10.9.0.1:443"}, "connection refused"},
		{"mixed.example:443", nil, "private"},
		{"inside.example:443", nil, "private"},
		{"meta.example:80", nil, "link-local"},
		{"zone.example:80", nil, "zone"},
		{"127.0.0.1:80", nil, "loopback"},
		{"2130706433:80", nil, "number"},
		{"public.example:22", nil, "port"},
		{"public.example:http", nil, "port"},
		{"public.example", nil, "not a host and a port"},
		{"none.example:443", nil, "cannot be looked up"},
		{"unknown.example:443", nil, "cannot be looked up"},
		// What it means a moment later has no effect: it is looked up once.
		{"turns.example:443", []string{"93.184.215.14:443"}, "connection refused"},
		{"turns.example:443", nil, "loopback"},
	} {
		var dialled []string
		d := Dialer{
			Policy: Policy{Networks: prefixes("10.9.0.0/16")}, Lookup: n.lookup,
			Dial: func(_ context.Context, addr netip.AddrPort) (net.Conn, error) {
				dialled = append(dialled, addr.String())
				return nil, errDown
			},
		}
		_, err := d.DialContext(t.Context(), "tcp", tt.address)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !slices.Equal(dialled, tt.dialled) {
			t.Errorf("%s: got %v after %q, want %q after %q", tt.address, err, dialled, tt.want, tt.dialled)
		}
		if err != nil && (strings.Contains(err.Error(), "10.0.0") || strings.Contains(err.Error(), "169.254.")) {
			t.Errorf("%s: the error tells of the network: %v", tt.address, err)
		}
	}
}

// An address that does not answer leaves time for the next.
func TestDialerGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there, _ := net.Pipe()
		d := Dialer{
			Lookup: names{"two.example": {{"2606:2800::1", "93.184.215.14"}}}.lookup,
			Dial: func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
				if addr.Addr().Is4() {
					return there, nil
				}
				<-ctx.Done()
				return nil, ctx.Err()
			},
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if c, err := d.DialContext(ctx, "tcp", "two.example:443"); c != there || err != nil {
			t.Errorf("got %v, want the second address", err)
		}
	})
}

// client sends requests to servers of this machine as if they were the address.
func client(t *testing.T, s *httptest.Server, n names, policy Policy) *http.Client {
	t.Helper()
	config := s.Client().Transport.(*http.Transport).TLSClientConfig
	transport := NewTransport(&Dialer{
		Policy: policy, Lookup: n.lookup,
		Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", s.Listener.Addr().String())
		},
	}, config)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// The certificate must be for the name, whatever its address, and the environment's proxy
// is not used.
func TestTransportTLS(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) }))
	defer s.Close()
	n := names{"example.com": {{"93.184.215.14"}}, "other.example": {{"93.184.215.14"}}}
	c := client(t, s, n, Policy{})
	resp, err := c.Get("https://example.com/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil || string(body) != "example.com" {
		t.Errorf("got %q, %v", body, err)
	}
	resp, err = c.Get("https://other.example/")
	if err == nil {
		t.Error("a certificate of another name was taken")
		_ = resp.Body.Close() // the test has failed
	}
}

// Each request looks the name up: no connection is reused.
func TestTransportLooksUpEachTime(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	c := client(t, s, names{"turns.example": {{"93.184.215.14"}, {"192.168.0.1"}}}, Policy{})
	resp, err := c.Get("http://turns.example/")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close() // it is empty
	resp, err = c.Get("http://turns.example/")
	if !errors.As(err, new(*RefusedError)) {
		t.Errorf("got %v, want a *RefusedError", err)
	}
	if err == nil {
		_ = resp.Body.Close() // the test has failed
	}
}

// Whatever a URL and a name are, no address is dialled that is refused, and none that
// the name did not have when it was looked up.
func FuzzDialer(f *testing.F) {
	for _, text := range []string{
		"http://127.0.0.1/", "http://[::ffff:169.254.169.254]:80/", "http://0x7f.1/", "http://2130706433", "http://hooks.example:8080/",
		"http://a@b@c/", "https://[fe80::1%25lo]/", "http://localhost.", "http://127.0.0.1#@hooks.example/", `http://hooks.example\@127.0.0.1/`,
		"http://[64:ff9b::7f00:1]/", "http://127。0。0。1/",
	} {
		f.Add(text, []byte{127, 0, 0, 1}, []byte{93, 184, 215, 14})
		f.Add(text, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1}, []byte{8, 8, 8, 8})
	}
	f.Fuzz(func(t *testing.T, url string, first, second []byte) {
		p := Policy{}
		var looked []netip.Addr
		d := Dialer{
			Policy: p,
			Lookup: func(context.Context, string) ([]netip.Addr, error) {
				looked = nil
				for _, b := range [][]byte{first, second} {
					if addr, ok := netip.AddrFromSlice(b); ok {
						looked = append(looked, addr)
					}
				}
				return looked, nil
			},
			Dial: func(_ context.Context, at netip.AddrPort) (net.Conn, error) {
				a := at.Addr()
				if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || a.Zone() != "" || a.Is4In6() {
					t.Errorf("%q dials %s", url, at)
				}
				if looked != nil && !slices.ContainsFunc(looked, func(l netip.Addr) bool { return l.Unmap() == a }) {
					t.Errorf("%q dials %s, which is none of %v", url, at, looked)
				}
				if at.Port() != 80 && at.Port() != 443 {
					t.Errorf("%q dials port %d", url, at.Port())
				}
				return nil, errDown
			},
		}
		_ = p.CheckURL(url) // it does not panic
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
		if err != nil {
			return
		}
		resp, err := NewTransport(&d, nil).RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close() // the test has failed
			t.Errorf("%q was answered", url)
		}
	})
}
