package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"tutti/access"
	"tutti/server/operation"
)

const (
	// headerLimit and bodyLimit are how long the header, and all, of a request may
	// take.
	headerLimit = 10 * time.Second
	bodyLimit   = 30 * time.Second
)

// An Endpoint is a place where an API is served.
type Endpoint struct {
	// Listener is closed when the endpoint is not served any more.
	Listener net.Listener
	// TLS is nil for plain HTTP.
	TLS *tls.Config
	// Secure: clients reach it by TLS, also if that ends at a proxy before it.
	Secure bool
	// Hosts are the names that the header Host may have besides the address of the
	// endpoint, without ports. Local sockets have no names, and take any.
	Hosts []string
	// Prefix is the path below which clients see what is served, such as /ops; empty: the
	// root. See [ParseBaseURL].
	Prefix string
}

// Local reports whether it is a socket of this machine, whose peers are known.
func (e *Endpoint) Local() bool { return e.Listener.Addr().Network() == "unix" }

type (
	endpointKey struct{}
	peerKey     struct{}
)

// endpointOf is where a request came in; nil: it is not known.
func endpointOf(ctx context.Context) *Endpoint {
	e, _ := ctx.Value(endpointKey{}).(*Endpoint)
	return e
}

// peerOf is who is at the other end of a local socket.
func peerOf(ctx context.Context) (access.PeerUser, bool) {
	p, ok := ctx.Value(peerKey{}).(access.PeerUser)
	return p, ok
}

// Serve answers requests that come to e until ctx ends, which is no error. Answers
// that are under way then have as long as grace; streams are asked to end at once.
func (e *Endpoint) Serve(ctx context.Context, h http.Handler, grace time.Duration, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &http.Server{
		Handler:           operation.Below(e.Prefix, h),
		ReadHeaderTimeout: headerLimit,
		ReadTimeout:       bodyLimit,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeader,
		TLSConfig:         e.TLS,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext:       e.connContext,
	}
	serve := func() error { return s.Serve(e.Listener) }
	if e.TLS != nil {
		serve = func() error { return s.ServeTLS(e.Listener, "", "") }
	}
	served := make(chan error, 1) // it ends also if Serve waits no longer
	go func() { served <- serve() }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", e.Listener.Addr(), err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := s.Shutdown(last); err != nil {
		_ = s.Close() // those who have not got their answer by now do without
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", e.Listener.Addr(), err)
	}
	return nil
}

// connContext notes where a connection came in, and from whom.
func (e *Endpoint) connContext(ctx context.Context, c net.Conn) context.Context {
	ctx = context.WithValue(ctx, endpointKey{}, e)
	if u, ok := c.(*net.UnixConn); ok {
		if peer, err := peerUser(u); err == nil {
			ctx = context.WithValue(ctx, peerKey{}, peer)
		}
	}
	return ctx
}

// takesHost reports whether the header Host of a request means e. A page of another
// site whose name was made to lead here has another one.
func (e *Endpoint) takesHost(r *http.Request) bool {
	if e.Local() {
		return true
	}
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		name = r.Host
	}
	for _, host := range e.Hosts {
		if equalHost(host, name) {
			return true
		}
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	at, ok := local.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip := net.ParseIP(unbracket(name))
	return ip != nil && ip.Equal(at.IP) || at.IP.IsLoopback() && (equalHost(name, "localhost") || ip != nil && ip.IsLoopback())
}
