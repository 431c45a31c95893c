package sshconfig

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"tutti/internal/hostkeys"
)

// An expander computes a host's values. It keeps the first error.
type expander struct {
	walk *walker
	host string // where to connect to, in lower case
	err  error
}

// The tokens that values may hold.
const (
	fileTokens  = "hnpruLldik"
	proxyTokens = "hnpr"
)

var errNoHome = errors.New("no home directory: HOME is not set")

func (x *expander) settings() *Settings {
	w := x.walk
	if d := w.first[kwHostName]; d != nil && w.query.Address == "" {
		// It was expanded before; this is for the error.
		_ = x.tokens(d, d.text, "h")
	}
	x.host = strings.ToLower(w.hostName())
	s := &Settings{
		HostName:          x.host,
		Port:              w.number(kwPort),
		User:              w.text(kwUser),
		IdentitiesOnly:    w.number(kwIdentitiesOnly) == 1,
		HostKeyAlias:      strings.ToLower(w.text(kwHostKeyAlias)),
		HostKeys:          hostkeys.Mode(w.number(kwStrictHostKeyChecking)),
		ConnectTimeout:    w.seconds(kwConnectTimeout),
		KeepaliveInterval: w.seconds(kwServerAliveInterval),
		KeepaliveCount:    w.number(kwServerAliveCountMax),
		Persist:           w.persist(),
		Ciphers:           w.text(kwCiphers),
		MACs:              w.text(kwMACs),
		KexAlgorithms:     w.text(kwKexAlgorithms),
		HostKeyAlgorithms: w.text(kwHostKeyAlgorithms),
		values:            w.match,

		PubkeyAlgorithms:      w.text(kwPubkeyAcceptedAlgorithms),
		CASignatureAlgorithms: w.text(kwCASignatureAlgorithms),
		RequiredRSASize:       w.number(kwRequiredRSASize),
		CheckHostIP:           w.number(kwCheckHostIP) == 1,
		LoopbackTrusted:       w.number(kwNoHostAuthentication) == 1,
		HashKnownHosts:        w.number(kwHashKnownHosts) == 1,
		Methods:               w.methods(),
		Environment:           w.environment(w.config.opts.Environ),
	}
	if d := w.first[kwRevokedHostKeys]; d != nil && !strings.EqualFold(d.text, "none") {
		s.RevokedHostKeys = x.path(d, d.text)
	}
	s.Identity = x.paths(w.identities)
	s.Certificate = x.paths(w.certificates)
	s.KnownHosts = x.known(w.first[kwUserKnownHostsFile], x.path)
	s.GlobalKnownHosts = x.known(w.first[kwGlobalKnownHostsFile], func(_ *directive, path string) string { return path })
	s.Agent = x.agent(w.first[kwIdentityAgent])
	s.Jump = x.proxy(w.first[kwProxyJump])
	s.ProxyCommand = x.proxy(w.first[kwProxyCommand])
	s.Ignored, s.Refused = w.unheeded()
	return s
}

func (v *match) text(k keyword) string {
	if d := v.first[k]; d != nil {
		return d.text
	}
	return ""
}

func (v *match) number(k keyword) int {
	if d := v.first[k]; d != nil {
		return d.number
	}
	return 0
}

func (v *match) seconds(k keyword) time.Duration {
	if d := v.first[k]; d != nil {
		return d.seconds()
	}
	return 0
}

// paths expands paths of keys; nil if there is none, empty if all are "none".
func (x *expander) paths(list []*directive) []string {
	if len(list) == 0 {
		return nil
	}
	paths := make([]string, 0, len(list))
	for _, d := range list {
		if !strings.EqualFold(d.text, "none") {
			paths = append(paths, x.path(d, d.text))
		}
	}
	return paths
}

// known expands the paths of known_hosts files; nil if d is nil, empty if it is
// "none".
func (x *expander) known(d *directive, expand func(*directive, string) string) []string {
	if d == nil {
		return nil
	}
	paths := make([]string, 0, len(d.list))
	for _, path := range d.list {
		if !strings.EqualFold(path, "none") {
			paths = append(paths, expand(d, path))
		}
	}
	return paths
}

// agent expands the path of a socket, or the name of a variable that holds it.
func (x *expander) agent(d *directive) string {
	if d == nil || d.text == "SSH_AUTH_SOCK" {
		return ""
	}
	if d.text == "none" {
		return d.text
	}
	if name, ok := strings.CutPrefix(d.text, "$"); ok && !strings.HasPrefix(name, "{") {
		if socket := x.getenv(name); socket != "" {
			return socket
		}
		return "none" // as ssh does with a variable that is not set
	}
	return x.path(d, d.text)
}

// proxy expands ProxyJump or ProxyCommand; empty if there is none.
func (x *expander) proxy(d *directive) string {
	if d == nil || strings.EqualFold(d.text, "none") {
		return ""
	}
	return x.tokens(d, d.text, proxyTokens)
}

// path expands a path: its home directory, tokens and variables.
func (x *expander) path(d *directive, path string) string {
	if !strings.ContainsAny(path, "~%$") {
		return path
	}
	home := x.walk.config.opts.Home
	path, err := expandTilde(path, home)
	if err == nil {
		path, err = x.variables(path)
	}
	if err != nil {
		x.fail(d, err)
		return path
	}
	return x.tokens(d, path, fileTokens)
}

func (x *expander) getenv(name string) string {
	if x.walk.config.opts.Getenv == nil {
		return ""
	}
	return x.walk.config.opts.Getenv(name)
}

// variables replaces ${NAME}. What a variable holds is taken as it is, so its
// percent signs are doubled.
func (x *expander) variables(text string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || name == "" {
			return "", errors.New("${ needs a variable name and }")
		}
		value := x.getenv(name)
		if value == "" {
			return "", fmt.Errorf("the variable ${%s} is not set", name)
		}
		b.WriteString(strings.ReplaceAll(value, "%", "%%"))
		text = after
	}
}

// tokens replaces the allowed %-tokens in text.
func (x *expander) tokens(d *directive, text, allowed string) string {
	expanded, err := ExpandTokens(text, func(token byte) (string, bool) {
		if strings.IndexByte(allowed, token) < 0 {
			return "", false
		}
		return x.token(token)
	})
	if err != nil {
		x.fail(d, err)
	}
	return expanded
}

// token is what a %-token stands for.
func (x *expander) token(token byte) (string, bool) {
	w := x.walk
	switch token {
	case 'h':
		if x.host == "" { // in HostName itself
			return w.query.Name, true
		}
		return x.host, true
	case 'n':
		return w.query.Name, true
	case 'p':
		return w.port(), true
	case 'r':
		return w.user(), true
	case 'u':
		return w.config.opts.User, true
	case 'd':
		return w.config.opts.Home, w.config.opts.Home != ""
	case 'i':
		return strconv.Itoa(os.Getuid()), true
	case 'k':
		if alias := w.text(kwHostKeyAlias); alias != "" {
			return strings.ToLower(alias), true
		}
		return w.query.Name, true
	case 'l':
		return localHostName(), true
	case 'L':
		short, _, _ := strings.Cut(localHostName(), ".")
		return short, true
	}
	return "", false
}

// localHostName is the name of this machine, empty if the system has none.
var localHostName = sync.OnceValue(func() string {
	name, _ := os.Hostname() // empty after an error
	return name
})

func (x *expander) fail(d *directive, err error) {
	if x.err == nil {
		name := strings.TrimPrefix(d.origin.Via, "ssh_config ")
		x.err = fmt.Errorf("%s: %s: %w", d.origin.Place(), name, err)
	}
}

// ExpandTokens replaces each %x by what token says, and %% by a percent sign.
func ExpandTokens(text string, token func(byte) (string, bool)) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "%")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		if rest == "" {
			return "", errors.New("a % at the end; write %% for a percent sign")
		}
		value, ok := "%", true
		if rest[0] != '%' {
			value, ok = token(rest[0])
		}
		if !ok {
			return "", fmt.Errorf("unknown %%%c; write %%%% for a percent sign", rest[0])
		}
		b.WriteString(value)
		text = rest[1:]
	}
}

// expandTilde replaces ~ and ~user in front of a path.
func expandTilde(path, home string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~")
	if !ok {
		return path, nil
	}
	name, rest, _ := strings.Cut(rest, "/")
	if name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		home = u.HomeDir
	}
	if home == "" {
		return "", errNoHome
	}
	return filepath.Join(home, rest), nil
}
