package runner

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"tutti/internal/fault"
	"tutti/internal/hostkeys"
	"tutti/internal/hostlist"
	"tutti/internal/phrase"
	"tutti/inventory"
	"tutti/inventory/sshconfig"
	"tutti/ssh"
)

// SSHHosts looks hosts up in ssh_config. The inventory and flags come before it.
type SSHHosts struct {
	config  *sshconfig.Config
	wording fault.Wording
	// ignored are unsupported keywords that would matter for at least one host.
	ignored map[inventory.Key]*ignoredKeyword
}

// An ignoredKeyword is the first place of an unsupported keyword, and the hosts that it
// would matter for.
type ignoredKeyword struct {
	origin inventory.Origin
	hosts  []string
	named  map[string]bool // the same hosts
}

// SSHConfig reads the ssh_config file; "none": no file, empty: the usual ones.
func (env *Env) SSHConfig(file string) (*SSHHosts, error) {
	config, err := sshconfig.Load(sshconfig.Options{
		File: file, Home: env.Home, User: env.User, Getenv: env.Getenv, Environ: env.Environ,
	})
	if err != nil {
		return nil, fault.Usage(err)
	}
	return &SSHHosts{config: config, wording: env.Wording, ignored: map[inventory.Key]*ignoredKeyword{}}, nil
}

// Files are those that were read.
func (s *SSHHosts) Files() []string { return s.config.Files() }

// ask returns ssh_config's settings of h; user and port are from flags, if not zero.
func (s *SSHHosts) ask(h *inventory.Host, user string, port int) (*sshconfig.Settings, error) {
	settings, err := s.config.Resolve(sshconfig.Query{
		Name:    HostWord(h),
		Address: h.Address,
		User:    cmp.Or(user, h.User),
		Port:    cmp.Or(port, h.Port),
	})
	if err != nil {
		return nil, fault.Usagef("host %s: %w", h.Name, err)
	}
	for _, x := range settings.Ignored {
		if s.ignored[x.Key] == nil {
			s.ignored[x.Key] = &ignoredKeyword{origin: x.Origin, named: map[string]bool{}}
		}
		if k := s.ignored[x.Key]; !k.named[h.Name] {
			k.named[h.Name] = true
			k.hosts = append(k.hosts, h.Name)
		}
	}
	return settings, nil
}

// reach is ask for a host that is to be contacted. It fails if ssh_config decides by an
// unsupported keyword whether the host is trusted.
func (s *SSHHosts) reach(h *inventory.Host, user string, port int) (*sshconfig.Settings, error) {
	settings, err := s.ask(h, user, port)
	if err != nil {
		return nil, err
	}
	for _, x := range settings.Refused {
		return nil, fault.Hintf(fault.Usagef("host %s: %s:%d: %s", h.Name, x.Origin.File, x.Origin.Line, RefusedText(x)),
			"let the line not apply to this host; %s none ignores ssh_config, so that known_hosts decides alone", fault.Short("ssh-config"))
	}
	return settings, nil
}

// RefusedText is why a host with a setting of ssh_config cannot be used.
func RefusedText(s inventory.Setting) string {
	return fmt.Sprintf("%s affects whether ssh trusts the host, and is not supported", s.Key)
}

// Warnings are about what was read, and about settings that are ignored for the hosts
// that were looked up.
func (s *SSHHosts) Warnings() []string {
	list := slices.Clone(s.config.Warnings)
	for _, key := range slices.Sorted(maps.Keys(s.ignored)) {
		k := s.ignored[key]
		text := fmt.Sprintf("%s:%d: %s is not supported, and is ignored for %s", k.origin.File, k.origin.Line, key, shortFold(k.hosts))
		if way := insteadOf[key]; way != nil {
			text += "; " + s.wording.Text(way)
		}
		list = append(list, text)
	}
	return list
}

// insteadOf is the supported replacement of an unsupported keyword.
var insteadOf = map[inventory.Key]error{
	"RequestTTY":    fault.Errorf("%s asks for a terminal", fault.Key("pty")),
	"RemoteCommand": errors.New("the command is the one on the command line"),
}

// shortFold names hosts, few of them where there are many.
func shortFold(hosts []string) string {
	const longest = 120
	text := hostlist.Fold(hosts)
	if len(text) <= longest {
		return text
	}
	return phrase.Count(len(hosts), "host") + ", " + hosts[0] + " among them"
}

// HostWord is h's name as ssh would be given it.
func HostWord(h *inventory.Host) string { return strings.Trim(h.Name, "[]") }

// addSSHConfig adds to e the settings that only ssh_config makes for h.
func (env *Env) addSSHConfig(e *ssh.Endpoint, h *inventory.Host, s *sshconfig.Settings, o *Login) {
	if _, set := s.Origin(inventory.KeyAddress); set && h.Address == "" {
		e.Address, e.AddressOnly = s.HostName, true
	}
	e.Port = cmp.Or(e.Port, s.Port)
	e.User = cmp.Or(e.User, s.User)
	if e.Identities == nil && s.Identity != nil {
		e.Identities, e.IdentitiesOptional = s.Identity, true
	}
	e.IdentitiesOnly = s.IdentitiesOnly
	e.Certificates = s.Certificate
	e.Agent = s.Agent
	e.HostKeyAlias = s.HostKeyAlias
	e.NewKeysRefused = newKeysRefused(h, s, o)
	if o.KnownHosts == "" && (s.KnownHosts != nil || s.GlobalKnownHosts != nil) {
		e.KnownHosts = env.knownHostsOf(s)
	}
	if _, set := s.Origin(sshconfig.KeyKeepaliveInterval); set {
		e.KeepaliveInterval = cmp.Or(s.KeepaliveInterval, -1)
	}
	if _, set := s.Origin(sshconfig.KeyKeepaliveCount); set {
		e.KeepaliveCount = max(1, s.KeepaliveCount)
	}
	e.Ciphers, e.MACs, e.KeyExchanges = s.Ciphers, s.MACs, s.KexAlgorithms
	e.HostKeyAlgorithms, e.KeyAlgorithms, e.CASignatureAlgorithms = s.HostKeyAlgorithms, s.PubkeyAlgorithms, s.CASignatureAlgorithms
	e.MinRSABits, e.RevokedHostKeys = s.RequiredRSASize, s.RevokedHostKeys
	e.CheckAddress, e.LoopbackTrusted, e.HashNames = s.CheckHostIP, s.LoopbackTrusted, s.HashKnownHosts
	e.Methods, e.Environment = s.Methods, s.Environment
}

// newKeysRefused reports whether ssh_config has no file for new keys: then ssh refuses
// an unknown host, even with StrictHostKeyChecking no. The host_keys setting off still
// checks nothing.
func newKeysRefused(h *inventory.Host, s *sshconfig.Settings, o *Login) bool {
	if o.KnownHosts != "" || s.KnownHosts == nil || len(s.KnownHosts) > 0 {
		return false
	}
	_, inInventory := h.Origin(inventory.KeyHostKeys)
	return hostKeysMode(h, s, o) == hostkeys.AcceptNew.String() || o.HostKeys == "" && !inInventory
}

// knownHostsOf are the known_hosts files of a host for which ssh_config names some. New
// keys go to the first, which is /dev/null if the user has none.
func (env *Env) knownHostsOf(s *sshconfig.Settings) []string {
	users, global := env.usersKnownHosts(), globalKnownHosts()
	if s.KnownHosts != nil {
		users = s.KnownHosts
	}
	if s.GlobalKnownHosts != nil {
		global = s.GlobalKnownHosts
	}
	if len(users) == 0 {
		users = []string{os.DevNull}
	}
	return slices.Concat(users, global)
}

// hostKeysMode is what happens with an unknown host key.
func hostKeysMode(h *inventory.Host, s *sshconfig.Settings, o *Login) string {
	if o.HostKeys != "" {
		return o.HostKeys
	}
	if _, set := h.Origin(inventory.KeyHostKeys); set {
		return h.HostKeys.String()
	}
	return s.HostKeys.String() // strict if nothing is said
}
