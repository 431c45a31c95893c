package server

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"tutti/access"
	"tutti/server/operation"
)

// A Gate lets in who shows a token or has a session, and who the kernel vouches for.
type Gate struct {
	*access.Gate
	// Peers are for local sockets.
	Peers Peers
	// Trusted is a proxy that says who the user is.
	Trusted TrustedProxy
}

var _ Access = (*Gate)(nil)

// Who is the principal of a request: of its token, if it has one, that a trusted proxy or a
// certificate names, of its session, or of the process at the other end of a local socket. A token in another place, such as
// the query, counts for nothing.
func (g *Gate) Who(r *http.Request) (access.Principal, error) {
	header := r.Header.Values("Authorization")
	switch {
	case len(header) > 1:
		return access.Principal{}, notKnown.Fail("the header Authorization is there twice")
	case len(header) == 1:
		kind, text, _ := strings.Cut(header[0], " ")
		if !strings.EqualFold(kind, "Bearer") {
			return access.Principal{}, notKnown.Fail("want the header Authorization: Bearer TOKEN")
		}
		return g.Token(r.Context(), strings.TrimSpace(text), sourceOf(r))
	}
	if p, ok, err := g.outside(r); ok || err != nil {
		return p, err
	}
	if c, err := r.Cookie(cookieName(r)); err == nil {
		if err := checkCookieUse(r); err != nil {
			return access.Principal{}, err
		}
		return g.Session(r.Context(), c.Value)
	}
	return g.Peers.Who(r)
}

// sourceOf is where a request comes from, for the audit.
func sourceOf(r *http.Request) access.Source {
	return access.Source{Addr: remoteOf(r), Request: operation.RequestNumber(r.Context())}
}

// remoteOf is the address of the client; the zero value of a local socket.
func remoteOf(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap()
}

// cookieName is that of the session. A browser takes the prefix only over TLS, and __Host-
// only of a cookie for the whole host: below a path it is for that path.
func cookieName(r *http.Request) string {
	switch {
	case !isSecure(r):
		return "tutti"
	case operation.Prefix(r.Context()) != "":
		return "__Secure-tutti"
	}
	return "__Host-tutti"
}

// isSecure reports whether the client speaks TLS, to here or to a proxy before this.
func isSecure(r *http.Request) bool {
	e := endpointOf(r.Context())
	return r.TLS != nil || e != nil && e.Secure
}

// sessionCookie is the cookie of a session; an empty secret takes it away.
func sessionCookie(r *http.Request, secret string) *http.Cookie {
	c := &http.Cookie{
		Name: cookieName(r), Value: secret, Path: cmp.Or(operation.Prefix(r.Context()), "/"), HttpOnly: true, Secure: isSecure(r), SameSite: http.SameSiteLaxMode,
		MaxAge: int(access.SessionLife / time.Second),
	}
	if secret == "" {
		c.MaxAge = -1
	}
	return c
}

// crossSite is the problem of a request that another site's page made.
var crossSite = operation.Kind{
	Name: "cross-site", Title: "The request comes from another site", Status: http.StatusForbidden,
	Text: "A page of another site, or a browser that does not say where a request comes from, cannot change anything here.",
}

// checkCookieUse refuses a change that a browser does not say the origin of: its
// cookie goes along whoever made it ask.
func checkCookieUse(r *http.Request) error {
	if readsOnly(r) || r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return nil
	}
	return crossSite.Fail("a change with a cookie needs the header Origin or Sec-Fetch-Site")
}

// readsOnly reports whether a request changes nothing.
func readsOnly(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
}

// crossOrigin finds out what a page of another site asks for.
func crossOrigin(base string) *http.CrossOriginProtection {
	c := http.NewCrossOriginProtection()
	if base != "" {
		_ = c.AddTrustedOrigin(base) // it was checked where it was read
	}
	return c
}
