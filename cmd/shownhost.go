package cmd

import "tutti/inventory/sshconfig"

import (
	"cmp"
	"slices"
	"strings"

	"tutti/inventory"
	"tutti/runner"
	"tutti/ssh"
)

// A shownHost is a host with what ssh_config adds to it.
type shownHost struct {
	*inventory.Host
	ssh *sshconfig.Settings
	// via are the bastions on the way, of which the host itself says which.
	via []shownHost
}

// show asks s about hosts of inv, and with deep about their bastions.
func show(s *runner.SSHHosts, inv *inventory.Inventory, hosts []*inventory.Host, deep bool) ([]shownHost, error) {
	shown := make([]shownHost, len(hosts))
	for i, h := range hosts {
		settings, err := s.Ask(h, "", 0)
		if err != nil {
			return nil, err
		}
		shown[i] = shownHost{Host: h, ssh: settings}
		if !deep {
			continue
		}
		if shown[i].via, err = bastions(s, inv, runner.WayTo(h, settings, ssh.Endpoint{})); err != nil {
			return nil, err
		}
	}
	return shown, nil
}

// bastions are those that w names.
func bastions(s *runner.SSHHosts, inv *inventory.Inventory, w runner.Way) ([]shownHost, error) {
	if w.Jump == "" {
		return nil, nil
	}
	hops, err := inventory.ParseJump(w.Jump)
	if err != nil {
		return nil, nil //nolint:nilerr // it is told when the host is to be reached
	}
	var via []shownHost
	for _, hop := range hops {
		h, err := w.Bastion(inv, hop)
		if err != nil {
			continue // it is told when the host is to be reached
		}
		settings, err := s.Ask(h, hop.User, hop.Port)
		if err != nil {
			return nil, err
		}
		via = append(via, shownHost{Host: h, ssh: settings})
	}
	return via, nil
}

// Settings are those of the inventory, and those of ssh_config that it leaves
// open, sorted by key.
func (h shownHost) Settings() []inventory.Setting {
	list := h.Host.Settings()
	for _, s := range h.ssh.Settings() {
		if h.open(s.Key) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b inventory.Setting) int { return cmp.Compare(a.Key, b.Key) })
	return list
}

// open reports whether the inventory leaves key to ssh_config.
func (h shownHost) open(key inventory.Key) bool {
	_, set := h.Origin(key)
	if key == sshconfig.KeyProxyCommand {
		_, set = h.Origin(inventory.KeyJump)
	}
	return !set
}

// adds reports whether key is set by ssh_config and by nothing before it.
func (h shownHost) adds(key inventory.Key) bool {
	_, set := h.ssh.Origin(key)
	return set && h.open(key)
}

// sshJSON is what of a host only ssh_config can say.
type sshJSON struct {
	ProxyCommand        string   `json:"proxy_command,omitempty"`
	IdentitiesOnly      bool     `json:"identities_only,omitempty"`
	Certificate         []string `json:"certificate,omitempty"`
	Agent               string   `json:"agent,omitempty"`
	HostKeyAlias        string   `json:"host_key_alias,omitempty"`
	KnownHosts          []string `json:"known_hosts,omitempty"`
	GlobalKnownHosts    []string `json:"global_known_hosts,omitempty"`
	KeepaliveIntervalMS *int64   `json:"keepalive_interval_ms,omitempty"`
	KeepaliveCount      *int     `json:"keepalive_count,omitempty"`
	Ciphers             string   `json:"ciphers,omitempty"`
	MACs                string   `json:"macs,omitempty"`
	KexAlgorithms       string   `json:"kex_algorithms,omitempty"`
	HostKeyAlgorithms   string   `json:"host_key_algorithms,omitempty"`
	PubkeyAlgorithms    string   `json:"pubkey_accepted_algorithms,omitempty"`
	CASignatures        string   `json:"ca_signature_algorithms,omitempty"`
	RequiredRSASize     int      `json:"required_rsa_size,omitempty"`
	RevokedHostKeys     string   `json:"revoked_host_keys,omitempty"`
	CheckHostIP         bool     `json:"check_host_ip,omitempty"`
	LoopbackTrusted     bool     `json:"no_host_authentication_for_localhost,omitempty"`
	HashKnownHosts      bool     `json:"hash_known_hosts,omitempty"`
	Methods             []string `json:"methods,omitempty"`
	Environment         []string `json:"environment,omitempty"`
}

// addSSH puts into j what ssh_config says of h.
func (j *hostJSON) addSSH(h shownHost) {
	s := h.ssh
	if h.adds(inventory.KeyAddress) {
		j.Address = s.HostName
	}
	if h.adds(inventory.KeyIdentity) {
		j.Identity = s.Identity
	}
	if h.adds(inventory.KeyConnectTimeout) {
		ms := s.ConnectTimeout.Milliseconds()
		j.ConnectTimeoutMS = &ms
	}
	if h.adds(inventory.KeyHostKeys) {
		j.HostKeys = s.HostKeys.String()
	}
	if h.adds(inventory.KeyJump) {
		j.Jump = s.Jump
	}
	if h.adds(sshconfig.KeyProxyCommand) {
		j.ProxyCommand = s.ProxyCommand
	}
	j.Port, j.User = cmp.Or(j.Port, s.Port), cmp.Or(j.User, s.User)
	j.IdentitiesOnly, j.Certificate, j.Agent, j.HostKeyAlias = s.IdentitiesOnly, s.Certificate, s.Agent, s.HostKeyAlias
	j.KnownHosts, j.GlobalKnownHosts = s.KnownHosts, s.GlobalKnownHosts
	j.Ciphers, j.MACs, j.KexAlgorithms, j.HostKeyAlgorithms = s.Ciphers, s.MACs, s.KexAlgorithms, s.HostKeyAlgorithms
	j.PubkeyAlgorithms, j.CASignatures = s.PubkeyAlgorithms, s.CASignatureAlgorithms
	j.RequiredRSASize, j.RevokedHostKeys = s.RequiredRSASize, s.RevokedHostKeys
	j.CheckHostIP, j.LoopbackTrusted, j.HashKnownHosts, j.Methods = s.CheckHostIP, s.LoopbackTrusted, s.HashKnownHosts, s.Methods
	for _, entry := range s.Environment { // the values may be secrets
		name, _, _ := strings.Cut(entry, "=")
		j.Environment = append(j.Environment, name)
	}
	if h.adds(sshconfig.KeyKeepaliveInterval) {
		ms := s.KeepaliveInterval.Milliseconds()
		j.KeepaliveIntervalMS = &ms
	}
	if h.adds(sshconfig.KeyKeepaliveCount) {
		j.KeepaliveCount = &s.KeepaliveCount
	}
}
