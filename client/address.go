package client

import (
	"errors"
	"net"
	"net/url"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"tutti/internal/fault"
)

// An Address is where a server is: a local socket, or a URL.
type Address struct {
	// Socket is the path of a local socket; empty: it is none.
	Socket string
	// URL has a scheme, a host and the path below which the server is, without a slash at
	// its end, and nothing else; nil for a socket.
	URL *url.URL
}

// String is the canonical form of the address, by which tokens are stored.
func (a Address) String() string {
	if a.Socket != "" {
		return "unix://" + a.Socket
	}
	return a.URL.String()
}

// Loopback reports whether the server is on this machine.
func (a Address) Loopback() bool {
	if a.Socket != "" {
		return true
	}
	ip := net.ParseIP(a.URL.Hostname())
	return a.URL.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Why an address is refused. The texts do not have the address, which may contain a
// password.
var (
	errNoAddress = errors.New("want a URL such as https://ops.example, or the path of a local socket")
	errScheme    = errors.New("want https://, http:// on this machine, or unix:// and the path of a local socket")
	errUserInfo  = errors.New("a URL must not have a name or a password, which every user of this machine could see")
	errPath      = errors.New("a URL must not have a query, a fragment or a path with escapes: want https://HOST[:PORT][/PATH]")
	errPlain     = errors.New("plain HTTP to another machine would show the token to everyone on the network")
)

// AdvicePlain is the code of advice about a server without TLS.
const AdvicePlain = "client-plain"

// ParseAddress reads https://HOST[:PORT][/PATH], http:// for a server on this machine, or with
// insecure on any, unix:///PATH, or the path of a local socket.
func ParseAddress(text string, insecure bool) (Address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok || strings.HasPrefix(text, "/") {
		path = strings.TrimPrefix(path, "//")
		if !ok {
			path = text
		}
		if !filepath.IsAbs(path) {
			return Address{}, errNoAddress
		}
		return Address{Socket: filepath.Clean(path)}, nil
	}
	if !strings.Contains(text, "://") {
		return Address{}, errNoAddress
	}
	u, err := url.Parse(text)
	if err != nil {
		return Address{}, errNoAddress // the error has the text
	}
	switch {
	case u.User != nil:
		return Address{}, errUserInfo
	case u.Scheme != "https" && u.Scheme != "http":
		return Address{}, errScheme
	case u.Hostname() == "":
		return Address{}, errNoAddress
	case !plainPath(u) || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return Address{}, errPath
	}
	a := Address{URL: &url.URL{Scheme: u.Scheme, Host: canonicalHost(u), Path: strings.TrimRight(u.Path, "/")}}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return Address{}, errNoAddress
		}
	}
	if u.Scheme == "http" && !insecure && !a.Loopback() {
		return Address{}, fault.Advise(errPlain, AdvicePlain)
	}
	return a, nil
}

// plainPath reports whether the path of u is written in one way only.
func plainPath(u *url.URL) bool {
	trimmed := strings.TrimRight(u.Path, "/")
	return strings.TrimRight(u.EscapedPath(), "/") == trimmed && (trimmed == "" || path.Clean(trimmed) == trimmed)
}

// canonicalHost is the host in lower case, without the default port of the scheme.
func canonicalHost(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, port)
}
