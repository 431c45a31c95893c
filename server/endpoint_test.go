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
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tutti/access"
)

// A socket is this process's alone, is replaced when its daemon has gone, and is left
// alone when one serves it.
func TestListenSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	path := filepath.Join(dir, "api.sock")
	first, err := ListenSocket(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{dir: 0o700, path: 0o660} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if _, err := ListenSocket(path, nil); !errors.Is(err, ErrSocketTaken) {
		t.Fatalf("got %v, want that it is taken", err)
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the other one took the socket away: %v", err)
	} else {
		_ = c.Close()
	}
	first.Listener.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := first.Close(); err != nil { // as a process does that is killed
		t.Fatal(err)
	}
	second, err := ListenSocket(path, []access.PeerRule{{UID: -1, GID: 4711, Role: access.Viewer}})
	if err != nil {
		t.Fatalf("what was left is not replaced: %v", err)
	}
	for name, want := range map[string]os.FileMode{dir: 0o711, path: 0o666} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// What is no socket is not removed, and a directory that others can write has none.
func TestListenSocketRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenSocket(file, nil); err == nil {
		t.Error("a file was replaced")
	}
	open := filepath.Join(dir, "open")
	if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenSocket(filepath.Join(open, "s"), []access.PeerRule{}); err == nil || !strings.Contains(err.Error(), "others can write") {
		t.Errorf("got %v, want that others can write the directory", err)
	}
	if _, err := ListenSocket(filepath.Join(dir, strings.Repeat("x", 120)), nil); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %v", err)
	}
}

// A directory that is there for other things, such as /tmp, stays as it is.
func TestListenSocketLeavesDirectories(t *testing.T) {
	for mode, other := range map[os.FileMode]string{0o755: "", 0o777 | os.ModeSticky: "", 0o700: "key", 0o711: "key", 0o750: ""} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if other != "" {
			if err := os.WriteFile(filepath.Join(dir, other), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, rules := range [][]access.PeerRule{nil, {{UID: -1, GID: 4711, Role: access.Viewer}}} {
			l, err := ListenSocket(filepath.Join(dir, "s"), rules)
			if err != nil {
				t.Fatalf("%v: %v", mode, err)
			}
			if info, err := os.Stat(dir); err != nil || info.Mode() != os.ModeDir|mode {
				t.Errorf("%v became %v, %v", mode, info.Mode(), err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Another user, whose directory it is, could put a socket of its own there.
func TestSocketDirOfAnotherUser(t *testing.T) {
	dir, self := t.TempDir(), os.Geteuid()
	if err := socketDir(filepath.Join(dir, "s"), dirOfOne, self); err != nil {
		t.Fatal(err)
	}
	owner := self
	if self++; owner == 0 { // root's directories are good for all
		owner, self = 4711, 0
		if err := os.Chown(dir, owner, -1); err != nil {
			t.Fatal(err)
		}
	}
	want := fmt.Sprintf("%s belongs to another user (user id %d)", dir, owner)
	if err := socketDir(filepath.Join(dir, "s"), dirOfOne, self); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// serve serves h at an endpoint until the test ends.
func serve(t *testing.T, e *Endpoint, h http.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Serve(ctx, h, time.Second, nil) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		done <- nil
	}
	t.Cleanup(stop)
	return stop
}

// The kernel says who asks over a socket.
func TestPeer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s", "api.sock")
	s, err := ListenSocket(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	own := int64(os.Getuid())
	for _, tt := range []struct {
		peers Peers
		want  string
	}{{Peers{Own: own}, "admin"}} {
		serve(t, &Endpoint{Listener: s}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, err := tt.peers.Who(r)
			if err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(w, p.Role.String()+" "+string(p.Via))
		}))
		client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
		if got := fetch(t, client, "http://tutti/"); got != tt.want+" unix" {
			t.Errorf("got %q", got)
		}
		client.CloseIdleConnections()
	}
}

// A request that comes over the network is nobody's.
func TestNoPeer(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), "GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := (&Peers{Own: 0}).Who(r); err == nil {
		t.Errorf("got %+v", p)
	}
}

func fetch(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Names of this server, and of no other, are taken for its own.
func TestTakesHost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // nothing is served
	e := &Endpoint{Listener: l, Hosts: []string{"ops.example"}}
	at := func(ip string) context.Context {
		return context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.ParseIP(ip), Port: 80}))
	}
	for _, tt := range []struct {
		host, local string
		want        bool
	}{
		{"ops.example", "192.0.2.1", true},
		{"OPS.example.:8443", "192.0.2.1", true},
		{"192.0.2.1:80", "192.0.2.1", true},
		{"evil.test", "192.0.2.1", false},
		{"evil.test:80", "127.0.0.1", false},
		{"localhost:80", "127.0.0.1", true},
		{"127.0.0.1", "127.0.0.1", true},
		{"[::1]:80", "::1", true},
		{"localhost", "192.0.2.1", false},
		{"ops.example.evil.test", "192.0.2.1", false},
		{"", "127.0.0.1", false},
		{"192.0.2.2", "192.0.2.1", false},
	} {
		r, err := http.NewRequestWithContext(at(tt.local), "GET", "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = tt.host
		if got := e.takesHost(r); got != tt.want {
			t.Errorf("%q at %s: got %v", tt.host, tt.local, got)
		}
	}
}

// An answer that is under way is finished when the server stops.
func TestServeFinishes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	begun, finish := make(chan struct{}), make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "whole")
	})
	go func() { served <- (&Endpoint{Listener: l}).Serve(ctx, h, time.Minute, nil) }()
	answer := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer func() { _ = response.Body.Close() }() // it was read
		data, err := io.ReadAll(response.Body)
		if err != nil {
			answer <- err.Error()
			return
		}
		answer <- string(data)
	}()
	<-begun
	stop()
	close(finish)
	if got := <-answer; got != "whole" {
		t.Errorf("got %q", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// writeCertificate writes a certificate for a name and its key.
func writeCertificate(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs}), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// A certificate is read again when its files change, and kept while they do not fit.
func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, "one.example")
	c, err := LoadCertificate(cert, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Config().MinVersion < tls.VersionTLS12 {
		t.Error("old versions of TLS are spoken")
	}
	name := func() string {
		t.Helper()
		c.looked = time.Time{} // as if some time had passed
		leaf, err := x509.ParseCertificate(c.now().Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.Subject.CommonName
	}
	later := func(n int) {
		at := time.Now().Add(time.Duration(n) * time.Minute)
		if err := errors.Join(os.Chtimes(cert, at, at), os.Chtimes(key, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if got := name(); got != "one.example" {
		t.Errorf("got %s", got)
	}
	if err := os.WriteFile(cert, []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	later(1)
	if got := name(); got != "one.example" {
		t.Errorf("got %s", got)
	}
	writeCertificate(t, dir, "two.example")
	later(2)
	if got := name(); got != "two.example" {
		t.Errorf("got %s", got)
	}
}
