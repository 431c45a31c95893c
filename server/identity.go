package server

import (
	"net/http"
	"strings"
	"time"

	"tutti/access"
)

// A TrustedProxy is a proxy that has found out who the user is, and says so in a header. The
// zero value is none.
type TrustedProxy struct {
	// Header has the name of the user. It counts only in requests whose connection comes
	// from one of the networks: what a request says about its way does not count.
	Header string
	From   access.Networks
}

// user is whom the proxy names; ok is false if it is no proxy of these, or names no user.
func (x *TrustedProxy) user(r *http.Request) (name string, ok bool, err error) {
	addr := remoteOf(r)
	if x.Header == "" || len(x.From) == 0 || !addr.IsValid() || !x.From.Contain(addr) {
		return "", false, nil
	}
	switch values := r.Header.Values(x.Header); {
	case len(values) == 0:
		return "", false, nil
	case len(values) > 1:
		return "", false, notKnown.Fail("the header of the proxy is there twice")
	case strings.TrimSpace(values[0]) == "":
		return "", false, notKnown.Fail("the header of the proxy is empty")
	default:
		return strings.TrimSpace(values[0]), true, nil
	}
}

// certified is the user that the client's certificate names, which the connection has
// verified; ok is false if there is none.
func certified(r *http.Request, now time.Time) (name string, ok bool, err error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return "", false, nil
	}
	leaf := r.TLS.VerifiedChains[0][0]
	switch {
	case now.Before(leaf.NotBefore) || now.After(leaf.NotAfter): // a connection may last longer
		return "", false, notKnown.Fail("the certificate has expired")
	case leaf.Subject.CommonName == "":
		return "", false, notKnown.Fail("the certificate has no common name")
	}
	return leaf.Subject.CommonName, true, nil
}

// outside is the user that a trusted proxy or a certificate names. A browser sends both with
// whatever a page has it ask, as it does cookies.
func (g *Gate) outside(r *http.Request) (p access.Principal, ok bool, err error) {
	find := g.Gate.Proxy
	name, ok, err := g.Trusted.user(r)
	if err == nil && !ok {
		find = g.Certificate
		name, ok, err = certified(r, g.Now())
	}
	if err != nil || !ok {
		return p, false, err
	}
	if err := checkCookieUse(r); err != nil {
		return p, false, err
	}
	p, err = find(r.Context(), name, sourceOf(r))
	return p, err == nil, err
}
