package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tutti/access"
)

// users is a store of ann, and of bob, who is disabled.
type users struct{ access.Store }

func (users) User(_ context.Context, name string) (access.User, error) {
	switch name {
	case "ann", "bob":
		return access.User{ID: 3, Name: name, Role: access.Operator, Disabled: name == "bob"}, nil
	}
	return access.User{}, &access.MissingError{What: "user"}
}

func (users) Audit(context.Context, access.AuditQuery) ([]access.Entry, error) { return nil, nil }

func (users) Record(context.Context, access.Entry) error { return nil }

func gateOf(t *testing.T) *Gate {
	t.Helper()
	networks, err := access.ParseNetworks([]string{"10.0.0.0/8", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	return &Gate{
		Gate: &access.Gate{Store: users{}, Now: time.Now}, Peers: Peers{Own: -1}, Trusted: TrustedProxy{Header: "X-Remote-User", From: networks},
	}
}

// A header names a user only if it comes once, and over a connection of the proxy: whatever
// a request says about its way.
func TestTrustedProxy(t *testing.T) {
	g := gateOf(t)
	for name, x := range map[string]struct {
		remote, method string
		header         http.Header
		let            bool
	}{
		"the proxy":            {"10.1.2.3:5", "GET", http.Header{"X-Remote-User": {"ann"}}, true},
		"with a space":         {"10.1.2.3:5", "GET", http.Header{"X-Remote-User": {" ann "}}, true},
		"the proxy, mapped":    {"[::ffff:10.1.2.3]:5", "GET", http.Header{"X-Remote-User": {"ann"}}, true},
		"the proxy, IPv6":      {"[::1]:5", "GET", http.Header{"X-Remote-User": {"ann"}}, true},
		"another":              {"11.1.2.3:5", "GET", http.Header{"X-Remote-User": {"ann"}}, false},
		"another, forwarded":   {"11.1.2.3:5", "GET", http.Header{"X-Remote-User": {"ann"}, "X-Forwarded-For": {"10.1.2.3"}, "Forwarded": {"for=10.1.2.3"}, "X-Real-Ip": {"10.1.2.3"}}, false},
		"a socket":             {"@", "GET", http.Header{"X-Remote-User": {"ann"}}, false},
		"nothing":              {"", "GET", http.Header{"X-Remote-User": {"ann"}}, false},
		"no header":            {"10.1.2.3:5", "GET", nil, false},
		"twice":                {"10.1.2.3:5", "GET", http.Header{"X-Remote-User": {"ann", "ann"}}, false},
		"a list":               {"10.1.2.3:5", "GET", http.Header{"X-Remote-User": {"ann, root"}}, false},
		"empty":                {"10.1.2.3:5", "GET", http.Header{"X-Remote-User": {" "}}, false},
		"unknown":              {"10.1.2.3:5", "GET", http.Header{"X-Remote-User": {"eve"}}, false},
		"disabled":             {"10.1.2.3:5", "GET", http.Header{"X-Remote-User": {"bob"}}, false},
		"another header":       {"10.1.2.3:5", "GET", http.Header{"X_remote_user": {"ann"}, "Remote-User": {"ann"}}, false},
		"a wrong token, too":   {"10.1.2.3:5", "GET", http.Header{"X-Remote-User": {"ann"}, "Authorization": {"Bearer nonsense"}}, false},
		"a change of a page":   {"10.1.2.3:5", "POST", http.Header{"X-Remote-User": {"ann"}, "Sec-Fetch-Site": {"same-origin"}}, true},
		"a change of anything": {"10.1.2.3:5", "POST", http.Header{"X-Remote-User": {"ann"}}, false},
	} {
		r := httptest.NewRequest(x.method, "/api/v1/jobs", nil)
		r.RemoteAddr = x.remote
		for key, values := range x.header {
			r.Header[key] = values
		}
		p, err := g.Who(r)
		if (err == nil) != x.let || x.let && (p.Name != "ann" || p.Via != access.ViaProxy || p.Role != access.Operator) {
			t.Errorf("%s: got %+v, %v", name, p, err)
		}
	}
	for _, none := range []TrustedProxy{{}, {Header: "X-Remote-User"}, {From: g.Trusted.From}} {
		g.Trusted = none
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.1.2.3:5"
		r.Header.Set("X-Remote-User", "ann")
		if p, err := g.Who(r); err == nil {
			t.Errorf("%+v lets %+v in", none, p)
		}
	}
}

// An authority makes certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.certificate, a.key, a.pem = a.make(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "an authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour),
	})
	return a
}

// make makes a certificate, which is its own authority's if a has none yet.
func (a *authority) make(t *testing.T, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore = big.NewInt(time.Now().UnixNano()), time.Now().Add(-2*time.Hour)
	parent, by := a.certificate, a.key
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// client is a certificate of a client.
func (a *authority) client(t *testing.T, name string, usage x509.ExtKeyUsage, until time.Time) *tls.Certificate {
	t.Helper()
	made, key, _ := a.make(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	})
	return &tls.Certificate{Certificate: [][]byte{made.Raw}, PrivateKey: key}
}

// A certificate of an authority names its user; one of another, or one that is over or for
// something else, ends the connection. The authorities are read again.
func TestClientCertificates(t *testing.T) {
	own, other := newAuthority(t), newAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	write := func(data []byte, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write([]byte("nothing"), time.Hour)
	if _, err := LoadClientCA(file, nil); err == nil {
		t.Error("a file without a certificate was taken")
	}
	write(own.pem, time.Hour)
	ca, err := LoadClientCA(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	again := func() {
		ca.mu.Lock()
		defer ca.mu.Unlock()
		ca.looked = time.Time{}
	}
	made, key, _ := own.make(t, &x509.Certificate{Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)})
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{made.Raw}, PrivateKey: key}}}
	ca.Verify(config)
	g := gateOf(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := g.Who(r)
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, p.Name+" "+string(p.Via))
	}))
	s.Listener, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Listener = tls.NewListener(s.Listener, config)
	s.Config.ErrorLog = nil
	s.Start()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(own.certificate)
	ask := func(c *tls.Certificate) string {
		t.Helper()
		client := tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		if c != nil {
			client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c, nil }
		}
		transport := &http.Transport{TLSClientConfig: &client}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport}).Get("https://" + s.Listener.Addr().String())
		if err != nil {
			return "cut"
		}
		defer answer.Body.Close() //nolint:errcheck // it was only read
		body, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != http.StatusOK {
			return "refused"
		}
		return string(body)
	}
	later := time.Now().Add(time.Hour)
	ann := own.client(t, "ann", x509.ExtKeyUsageClientAuth, later)
	for name, x := range map[string]struct {
		certificate *tls.Certificate
		want        string
	}{
		"ann":                  {ann, "ann certificate"},
		"none":                 {nil, "refused"},
		"unknown":              {own.client(t, "eve", x509.ExtKeyUsageClientAuth, later), "refused"},
		"disabled":             {own.client(t, "bob", x509.ExtKeyUsageClientAuth, later), "refused"},
		"no name":              {own.client(t, "", x509.ExtKeyUsageClientAuth, later), "refused"},
		"of another authority": {other.client(t, "ann", x509.ExtKeyUsageClientAuth, later), "cut"},
		"over":                 {own.client(t, "ann", x509.ExtKeyUsageClientAuth, time.Now().Add(-time.Hour)), "cut"},
		"for a server":         {own.client(t, "ann", x509.ExtKeyUsageServerAuth, later), "cut"},
	} {
		if got := ask(x.certificate); got != x.want {
			t.Errorf("%s: got %s, want %s", name, got, x.want)
		}
	}
	write(other.pem, 0)
	again() // as a second later
	if got := ask(ann); got != "cut" {
		t.Errorf("after the authorities were replaced: got %s", got)
	}
	if got := ask(other.client(t, "ann", x509.ExtKeyUsageClientAuth, later)); got != "ann certificate" {
		t.Errorf("the new authority: got %s", got)
	}
	write([]byte("nothing"), -time.Hour)
	again()
	if got := ask(other.client(t, "ann", x509.ExtKeyUsageClientAuth, later)); got != "ann certificate" {
		t.Errorf("a file that is being replaced: got %s", got)
	}
}

// A certificate that was verified when the connection began is not good for longer than it
// says.
func TestCertificateOverMeanwhile(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "ann"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf}}}
	if name, ok, err := certified(r, time.Now().Add(time.Minute)); name != "ann" || !ok || err != nil {
		t.Errorf("got %s, %t, %v", name, ok, err)
	}
	if name, ok, err := certified(r, time.Now().Add(2*time.Hour)); ok || err == nil {
		t.Errorf("got %s, %t, %v", name, ok, err)
	}
	r.TLS.VerifiedChains, r.TLS.PeerCertificates = nil, []*x509.Certificate{leaf}
	if name, ok, err := certified(r, time.Now()); ok || err != nil {
		t.Errorf("got %s, %t, %v of a certificate that was not verified", name, ok, err)
	}
}
