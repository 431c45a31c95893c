package serve

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/url"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"tutti/access"
	"tutti/daemon"
	"tutti/internal/fault"
	"tutti/internal/outgoing"
	"tutti/internal/typed"
	"tutti/server"
)

// apiOptions say where and to whom the daemon serves its API.
type apiOptions struct {
	listen       string
	tlsCert      string
	tlsKey       string
	clientCA     string
	insecureHTTP bool
	authHeader   string
	trustedProxy []string
	baseURL      string
	socket       string
	socketGroups []string
	// callbackAllow and callbackPorts are what editors' webhooks and callbacks may
	// reach besides the public internet.
	callbackAllow []string
	callbackPorts []uint
	compat        bool
	maxWait       typed.Duration

	trusted   server.TrustedProxy
	callbacks outgoing.Policy
	base      *url.URL
	prefix    string
	rules     []access.PeerRule
}

func (o *apiOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.listen, "listen", "", "serve the HTTP API and the console on `ADDRESS:PORT`; other than loopback needs TLS")
	f.StringVar(&o.tlsCert, "tls-cert", "", "certificate chain `FILE` for --listen; read again when it changes")
	f.StringVar(&o.tlsKey, "tls-key", "", "private key `FILE` of --tls-cert")
	f.StringVar(&o.clientCA, "client-ca", "", "let users in by TLS certificates of the authorities in `FILE`: the common name is the user; read again when it changes")
	f.StringVar(&o.authHeader, "auth-header", "", "let users in that a proxy names in the header `NAME`; only from --trusted-proxy")
	f.StringSliceVar(&o.trustedProxy, "trusted-proxy", nil, "trust the proxies in `NETWORK`, which have to take --auth-header out of what clients send; may be repeated")
	f.BoolVar(&o.insecureHTTP, "insecure-http", false, "serve plain HTTP on any address: who listens on the network reads tokens and output")
	f.StringVar(&o.baseURL, "base-url", "", "`URL` by which clients reach the API, such as https://ops.example/tutti")
	f.StringVar(&o.socket, "socket", "", "serve the API on the local socket `FILE` (default: $XDG_RUNTIME_DIR/tutti/api.sock)")
	f.StringArrayVar(&o.socketGroups, "socket-group", nil, "let members of a `GROUP=ROLE` use the socket: viewer, operator, editor, admin")
	f.StringSliceVar(&o.callbackAllow, "callback-allow", nil, "let callbacks, and webhooks set by users who are no admins, reach private or loopback `NETWORK`; may be repeated")
	f.BoolVar(&o.compat, "compat-api", false, "serve the compatible endpoints too: /task, /job/…, /worker/list")
	f.Var(&o.maxWait, "max-wait", "there, let a client wait up to `DURATION` for its command")
	f.UintSliceVar(&o.callbackPorts, "callback-port", nil, "let them reach `PORT` besides 80 and 443; may be repeated")
}

// finalize checks the options.
func (o *apiOptions) finalize() error {
	if (o.tlsCert == "") != (o.tlsKey == "") {
		return fault.Syntaxf("--tls-cert and --tls-key are needed together")
	}
	if o.listen == "" && (o.tlsCert != "" || o.insecureHTTP || o.baseURL != "") {
		return fault.Hint(fault.Syntaxf("--tls-cert, --insecure-http and --base-url are for --listen"), "add --listen ADDRESS:PORT")
	}
	if err := o.checkListen(); err != nil {
		return err
	}
	if o.baseURL != "" {
		base, prefix, err := server.ParseBaseURL(o.baseURL)
		if err != nil {
			return fault.Syntaxf("--base-url %q: %w", o.baseURL, err)
		}
		o.base, o.prefix = base, prefix
	}
	if err := o.finalizeProxy(); err != nil {
		return err
	}
	if err := o.finalizeCallbacks(); err != nil {
		return err
	}
	for _, text := range o.socketGroups {
		rule, err := peerRule(text)
		if err != nil {
			return err
		}
		o.rules = append(o.rules, rule)
	}
	return nil
}

// finalizeCallbacks reads what callbacks may reach.
func (o *apiOptions) finalizeCallbacks() error {
	networks, err := access.ParseNetworks(o.callbackAllow)
	if err != nil {
		return fault.Syntaxf("--callback-allow: %w", err)
	}
	o.callbacks.Networks = networks
	for _, port := range o.callbackPorts {
		if port == 0 || port > math.MaxUint16 {
			return fault.Syntaxf("--callback-port %d: want 1 to 65535", port)
		}
		o.callbacks.Ports = append(o.callbacks.Ports, uint16(port))
	}
	return nil
}

// checkListen refuses to send secrets over a network in the clear.
func (o *apiOptions) checkListen() error {
	if o.listen == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return fault.Syntaxf("--listen %q: want ADDRESS:PORT, such as 127.0.0.1:8420", o.listen)
	}
	if o.tlsCert != "" || o.insecureHTTP || host == "localhost" {
		return nil
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return nil
	}
	return fault.Hint(fault.Usagef("--listen %s: other machines can reach this address, and would speak plain HTTP", o.listen),
		"add --tls-cert and --tls-key, or listen on 127.0.0.1 behind a proxy that has them; --insecure-http does without")
}

// peerRule reads GROUP=ROLE.
func peerRule(text string) (access.PeerRule, error) {
	name, word, ok := strings.Cut(text, "=")
	role, err := access.ParseRole(word)
	if !ok || err != nil {
		return access.PeerRule{}, fault.Syntaxf("--socket-group %q: want GROUP=ROLE, with one of the roles %s", text, strings.Join(access.Roles(), ", "))
	}
	group, err := user.LookupGroup(name)
	if err != nil {
		return access.PeerRule{}, fault.Usagef("--socket-group %q: no such group on this machine", text)
	}
	gid, err := strconv.ParseInt(group.Gid, 10, 64)
	if err != nil {
		return access.PeerRule{}, fault.Usagef("--socket-group %q: the group has no number", text)
	}
	return access.PeerRule{UID: -1, GID: gid, Role: role}, nil
}

// endpoints opens what the API is served on. A socket that another daemon serves is
// only logged; one that cannot be had for another reason is an error if it was named.
func (o *apiOptions) endpoints(history string, getenv func(string) string, log *slog.Logger) (all []*server.Endpoint, err error) {
	defer func() {
		if err != nil {
			closeEndpoints(all)
			all = nil
		}
	}()
	path := o.socket
	if path == "" {
		path = daemon.SocketPath(getenv, history)
	}
	socket, err := server.ListenSocket(filepath.Clean(path), o.rules)
	switch {
	case err == nil:
		all = append(all, &server.Endpoint{Listener: socket})
	case errors.Is(err, server.ErrSocketTaken):
		log.Warn("the API is not served on the local socket: another daemon serves it", "socket", path)
	case o.socket != "":
		return nil, fault.Usagef("--socket: %w", err)
	default:
		log.Warn("the API is not served on the local socket", "socket", path, "error", err)
	}
	if o.listen == "" {
		return all, nil
	}
	e := &server.Endpoint{Hosts: o.hosts(), Prefix: o.prefix, Secure: o.tlsCert != "" || o.base != nil && o.base.Scheme == "https"}
	if e.TLS, err = o.tls(log); err != nil {
		return all, err
	}
	if e.Listener, err = net.Listen("tcp", o.listen); err != nil {
		return all, fault.Usagef("--listen: %w", err)
	}
	return append(all, e), nil
}

// hosts are the names that requests may have for this server.
func (o *apiOptions) hosts() []string {
	var hosts []string
	if host, _, err := net.SplitHostPort(o.listen); err == nil && host != "" {
		hosts = append(hosts, host)
	}
	if o.base != nil {
		hosts = append(hosts, o.base.Hostname())
	}
	return hosts
}

// tls is how connections are encrypted; nil: they are not.
func (o *apiOptions) tls(log *slog.Logger) (*tls.Config, error) {
	if o.tlsCert == "" {
		return nil, nil
	}
	certificate, err := server.LoadCertificate(o.tlsCert, o.tlsKey, log)
	if err != nil {
		return nil, fault.Usagef("--tls-cert: %w", err)
	}
	config := certificate.Config()
	if o.clientCA != "" {
		ca, err := server.LoadClientCA(o.clientCA, log)
		if err != nil {
			return nil, fault.Usagef("--client-ca: %w", err)
		}
		ca.Verify(config)
	}
	return config, nil
}

func closeEndpoints(all []*server.Endpoint) {
	for _, e := range all {
		_ = e.Listener.Close() // again, if it was served
	}
}
