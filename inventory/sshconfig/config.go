package sshconfig

import (
	"slices"
	"strings"
	"time"

	"tutti/internal/hostkeys"
	"tutti/inventory/layer"
)

// Options say which ssh_config files are read, and for whom.
type Options struct {
	// File is read in place of the user's and the system's files; "none": no
	// file at all. Empty: those of ~/.ssh/config and /etc/ssh/ssh_config that
	// exist, in this order.
	File string
	// Home is the user's home directory: where ~/.ssh/config is, and what ~ and %d
	// stand for. Empty: there is none.
	Home string
	// User is the local user's name, for Match localuser and %u, and the default login
	// name.
	User string
	// Getenv looks up what ${NAME} stands for; empty means not set.
	Getenv func(name string) string
	// Environ are the variables that SendEnv chooses from, as NAME=VALUE.
	Environ []string
}

// A Config is the content of ssh_config files, read and checked once for many hosts.
// It means what it means to ssh, with two exceptions: Match exec and conditions of
// newer versions never hold, and an unknown keyword is a warning. It is immutable and
// may be used by several goroutines at once.
type Config struct {
	// Warnings are about what was read and is ignored, a line each.
	Warnings []string

	opts  Options
	files []*configFile
	// final says that there is a Match final, for which ssh reads everything twice.
	final bool
}

// A Query is a host to look up, with the settings that come before ssh_config.
type Query struct {
	// Name is the host as on ssh's command line.
	Name string
	// Address takes the place of HostName. Empty: not known.
	Address string
	// User to log in as. Empty: not known.
	User string
	// Port is 1 to 65535. 0: not known.
	Port int
}

// Settings are ssh_config's settings of one host, with all tokens replaced. A
// setting that it does not make has its field's zero value; [Settings.Origin]
// distinguishes that from a zero that was written. They are read-only.
type Settings struct {
	// HostName is the name or address to connect to, in lower case; the query's
	// Address or Name where ssh_config has none.
	HostName string
	Port     int
	User     string
	// Identity and Certificate are paths of key files and of certificates, in
	// the order in which they are tried. An Identity that is empty but not nil
	// says that no file is to be used, the usual ones included.
	Identity, Certificate []string
	// IdentitiesOnly keeps the agent's keys back that Identity does not name.
	IdentitiesOnly bool
	// Agent is the path of the agent's socket, or "none". Empty: the usual one.
	Agent string
	// HostKeyAlias is the name to look up in known_hosts.
	HostKeyAlias string
	// KnownHosts are the user's files and GlobalKnownHosts the system's. Empty
	// but not nil: none.
	KnownHosts, GlobalKnownHosts []string
	HostKeys                     hostkeys.Mode
	// ConnectTimeout bounds a login. 0: no bound, or not set.
	ConnectTimeout time.Duration
	// KeepaliveInterval is the silence after which a host is asked for a sign of
	// life, 0 for never, and KeepaliveCount how many questions may stay without
	// an answer.
	KeepaliveInterval time.Duration
	KeepaliveCount    int
	// Persist is how long a connection stays open after its last use, where
	// ControlMaster shares connections. 0: not at all.
	Persist time.Duration
	// Ciphers, MACs, KexAlgorithms and HostKeyAlgorithms are lists of algorithms
	// with a comma between them; a first character of + adds to the usual ones,
	// - takes away from them by pattern, and ^ puts in front.
	Ciphers, MACs, KexAlgorithms, HostKeyAlgorithms string
	// PubkeyAlgorithms and CASignatureAlgorithms are such lists, too: of the algorithms
	// that the user's keys and the hosts' authorities may sign with.
	PubkeyAlgorithms, CASignatureAlgorithms string
	// RequiredRSASize is the shortest RSA key that counts, in bits. 0: not set.
	RequiredRSASize int
	// RevokedHostKeys is the path of a file of keys that no host may have.
	RevokedHostKeys string
	// CheckHostIP also looks up the IP address in known_hosts. LoopbackTrusted accepts
	// any key of this machine. HashKnownHosts hashes names in new lines.
	CheckHostIP, LoopbackTrusted, HashKnownHosts bool
	// Methods are the ways to log in that are left, by the names that the
	// protocol has for them. Nil: all.
	Methods []string
	// Environment are the variables to send, as NAME=VALUE.
	Environment []string
	// Jump is the list of jump hosts, [user@]host[:port] separated by commas, and
	// ProxyCommand the shell command whose input and output are the connection. At most
	// one of them is set.
	Jump, ProxyCommand string
	// Ignored are settings that ssh would act on and tutti does not, and Refused those
	// that in ssh decide who is trusted and cannot be honoured, so that the host cannot
	// be used. The keys are keywords of ssh_config.
	Ignored, Refused []layer.Setting

	values match
}

// The keys of settings that only ssh_config makes.
const (
	KeyProxyCommand      layer.Key = "proxy_command"
	KeyIdentitiesOnly    layer.Key = "identities_only"
	KeyCertificate       layer.Key = "certificate"
	KeyAgent             layer.Key = "agent"
	KeyHostKeyAlias      layer.Key = "host_key_alias"
	KeyKnownHosts        layer.Key = "known_hosts"
	KeyGlobalKnownHosts  layer.Key = "global_known_hosts"
	KeyKeepaliveInterval layer.Key = "keepalive_interval"
	KeyKeepaliveCount    layer.Key = "keepalive_count"
	KeyCiphers           layer.Key = "ciphers"
	KeyMACs              layer.Key = "macs"
	KeyKexAlgorithms     layer.Key = "kex_algorithms"
	KeyHostKeyAlgorithms layer.Key = "host_key_algorithms"
	KeyControlMaster     layer.Key = "control_master"
	KeyPersist           layer.Key = "persist"

	KeyPubkeyAlgorithms         layer.Key = "pubkey_accepted_algorithms"
	KeyCASignatureAlgorithms    layer.Key = "ca_signature_algorithms"
	KeyRequiredRSASize          layer.Key = "required_rsa_size"
	KeyRevokedHostKeys          layer.Key = "revoked_host_keys"
	KeyCheckHostIP              layer.Key = "check_host_ip"
	KeyLoopbackTrusted          layer.Key = "no_host_authentication_for_localhost"
	KeyHashKnownHosts           layer.Key = "hash_known_hosts"
	KeyPubkeyAuthentication     layer.Key = "pubkey_authentication"
	KeyPasswordAuthentication   layer.Key = "password_authentication"
	KeyKbdInteractive           layer.Key = "kbd_interactive_authentication"
	KeyPreferredAuthentications layer.Key = "preferred_authentications"
	KeySendEnv                  layer.Key = "send_env"
	KeySetEnv                   layer.Key = "set_env"
)

// Files are the paths of the files that were read, without those that they
// include.
func (c *Config) Files() []string {
	paths := make([]string, len(c.files))
	for i, f := range c.files {
		paths[i] = f.path
	}
	return paths
}

// Origin is where ssh_config sets key for the host, and whether it does. Of a
// setting that several lines make it is the first.
func (s *Settings) Origin(key layer.Key) (layer.Origin, bool) {
	for _, row := range rowByKeyword {
		if row.setting == key && row.setting != "" && s.counts(row.key) {
			return s.values.first[row.key].origin, true
		}
	}
	return layer.Origin{}, false
}

// counts reports whether a value is a setting: none for a proxy only keeps later lines
// from setting one.
func (s *Settings) counts(k keyword) bool {
	switch k {
	case kwProxyJump:
		return s.Jump != ""
	case kwProxyCommand:
		return s.ProxyCommand != ""
	case kwControlPersist:
		return s.Persist > 0
	}
	return s.values.first[k] != nil
}

// Settings returns everything that ssh_config sets for the host, sorted by key.
func (s *Settings) Settings() []layer.Setting {
	var list []layer.Setting
	for _, row := range rowByKeyword {
		if row.setting != "" && s.counts(row.key) {
			list = append(list, layer.Setting{Key: row.setting, Value: s.text(row.key), Origin: s.values.first[row.key].origin})
		}
	}
	slices.SortFunc(list, func(a, b layer.Setting) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return list
}

// text is the effective value, in its canonical spelling.
func (s *Settings) text(k keyword) string {
	switch k {
	case kwHostName:
		return s.HostName
	case kwIdentityFile:
		return orNothing(s.Identity)
	case kwCertificateFile:
		return orNothing(s.Certificate)
	case kwUserKnownHostsFile:
		return orNothing(s.KnownHosts)
	case kwGlobalKnownHostsFile:
		return orNothing(s.GlobalKnownHosts)
	case kwIdentityAgent:
		return s.Agent
	case kwRevokedHostKeys:
		return orNothing(nonEmpty(s.RevokedHostKeys))
	case kwSendEnv:
		return strings.Join(s.values.sent(), " ")
	case kwHostKeyAlias:
		return s.HostKeyAlias
	case kwProxyJump:
		return s.Jump
	case kwProxyCommand:
		return s.ProxyCommand
	case kwStrictHostKeyChecking:
		return s.HostKeys.String()
	case kwConnectTimeout:
		return s.ConnectTimeout.String()
	case kwServerAliveInterval:
		return s.KeepaliveInterval.String()
	case kwControlPersist:
		return s.Persist.String()
	}
	return s.values.first[k].text
}

func orNothing(paths []string) string {
	if len(paths) == 0 {
		return "none"
	}
	return strings.Join(paths, ", ")
}

func nonEmpty(path string) []string {
	if path == "" {
		return nil
	}
	return []string{path}
}
