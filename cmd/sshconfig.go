package cmd

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"tutti/inventory"
	"tutti/ssh"
)

// An sshConfigValue is a flag that names the ssh_config to read: the path of a
// file, which is made absolute, or none.
type sshConfigValue string

var _ pflag.Value = (*sshConfigValue)(nil)

// noSSHConfig is what the flag says where no file is to be read.
const noSSHConfig = "none"

// Set takes a path, or none.
func (v *sshConfigValue) Set(s string) error {
	switch s {
	case "":
		return fmt.Errorf("a path is missing; %s reads no file at all", noSSHConfig)
	case noSSHConfig:
		*v = noSSHConfig
	default:
		*v = sshConfigValue(absolute(s))
	}
	return nil
}

func (v *sshConfigValue) String() string { return string(*v) }

// Type is the placeholder in help.
func (v *sshConfigValue) Type() string { return "FILE|none" }

func (v *sshConfigValue) addFlag(f *pflag.FlagSet) {
	f.VarP(v, "ssh-config", "F", "`FILE|none` instead of ~/.ssh/config and /etc/ssh/ssh_config")
}

// sshHosts answers what ssh_config says of hosts. The inventory and flags win
// over it.
type sshHosts struct {
	config *inventory.SSHConfig
	// ignored are keywords that should make a difference for some host, with
	// where they stand first.
	ignored map[inventory.Key]inventory.Origin
}

// sshConfig reads the ssh_config that file says.
func (a *app) sshConfig(file sshConfigValue) (*sshHosts, error) {
	config, err := inventory.LoadSSHConfig(inventory.SSHConfigOptions{
		File: string(file), Home: a.home(), User: a.userName(), Getenv: a.Getenv,
	})
	if err != nil {
		return nil, usage(err)
	}
	return &sshHosts{config: config, ignored: map[inventory.Key]inventory.Origin{}}, nil
}

// ask returns what ssh_config says of h, to which flags may have given a user
// and a port.
func (s *sshHosts) ask(h *inventory.Host, user string, port int) (*inventory.SSHSettings, error) {
	settings, err := s.config.Resolve(inventory.SSHQuery{
		Name:    hostWord(h),
		Address: h.Address,
		User:    cmp.Or(user, h.User),
		Port:    cmp.Or(port, h.Port),
	})
	if err != nil {
		return nil, usagef("host %s: %w", h.Name, err)
	}
	for _, x := range settings.Ignored {
		if _, told := s.ignored[x.Key]; !told {
			s.ignored[x.Key] = x.Origin
		}
	}
	return settings, nil
}

// warnings are about what was read, and about what does not count for the hosts
// that were asked about.
func (s *sshHosts) warnings() []string {
	list := slices.Clone(s.config.Warnings)
	for _, key := range slices.Sorted(maps.Keys(s.ignored)) {
		o := s.ignored[key]
		list = append(list, fmt.Sprintf("%s:%d: %s is not supported and makes no difference", o.File, o.Line, key))
	}
	return list
}

// hostWord is h's name as ssh would be given it.
func hostWord(h *inventory.Host) string { return strings.Trim(h.Name, "[]") }

// addSSHConfig gives to e what ssh_config says of h and nothing before it did.
func (a *app) addSSHConfig(e *ssh.Endpoint, h *inventory.Host, s *inventory.SSHSettings, o *loginOptions) {
	if _, set := s.Origin(inventory.KeyAddress); set && h.Address == "" {
		e.Address = s.HostName
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
	if o.knownHosts == "" && (s.KnownHosts != nil || s.GlobalKnownHosts != nil) {
		e.KnownHosts = a.knownHostsOf(s)
	}
	if _, set := s.Origin(inventory.KeyKeepaliveInterval); set {
		e.KeepaliveInterval = cmp.Or(s.KeepaliveInterval, -1)
	}
	if _, set := s.Origin(inventory.KeyKeepaliveCount); set {
		e.KeepaliveCount = max(1, s.KeepaliveCount)
	}
	e.Ciphers, e.MACs, e.KeyExchanges = s.Ciphers, s.MACs, s.KexAlgorithms
	e.HostKeyAlgorithms = s.HostKeyAlgorithms
}

// knownHostsOf are the files for a host of which ssh_config names some. New keys
// go to the first, which is nowhere if there is none of the user's.
func (a *app) knownHostsOf(s *inventory.SSHSettings) []string {
	users, global := a.usersKnownHosts(), globalKnownHosts()
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

// hostKeysMode is what happens with a host key that is not known.
func hostKeysMode(h *inventory.Host, s *inventory.SSHSettings, o *loginOptions) string {
	if o.hostKeys.value != "" {
		return o.hostKeys.value
	}
	if _, set := h.Origin(inventory.KeyHostKeys); set {
		return h.HostKeys.String()
	}
	return s.HostKeys.String() // strict if nothing is said
}
