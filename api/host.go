package api

import (
	"cmp"
	"strings"

	"tutti/inventory"
	"tutti/inventory/sshconfig"
	"tutti/runner"
)

// A Host is a host as the inventory and ssh_config have it: what `hosts --json`
// prints. A setting is absent where neither says anything.
type Host struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "host"
	// Host is its name in the inventory.
	Host     string   `json:"host"`
	Address  string   `json:"address,omitempty"`
	Port     int      `json:"port,omitempty"`
	User     string   `json:"user,omitempty"`
	Identity []string `json:"identity,omitempty"`
	// ConnectTimeoutMS is up to a login, and TimeoutMS of the command; 0: no limit.
	ConnectTimeoutMS *int64 `json:"connect_timeout_ms,omitempty"`
	TimeoutMS        *int64 `json:"timeout_ms,omitempty"`
	Retries          *int   `json:"retries,omitempty"`
	// HostKeys is "strict", "accept-new" or "off".
	HostKeys string `json:"host_keys,omitempty"`
	// ExitStatus is "none" for a host that sends no exit status.
	ExitStatus string `json:"exit_status,omitempty"`
	// Env are the variables of commands on the host; only where values are explained.
	Env    map[string]string `json:"env,omitempty"`
	Groups []string          `json:"groups,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// Refusals are why it cannot be used.
	Refusals []string `json:"refusals,omitempty"`
	// Gates are the groups of which only so many are run at once.
	Gates map[string]int `json:"gates,omitempty"`
	Jump  string         `json:"jump,omitempty"`
	HostSSH
	// Via are the hosts that it is reached through, in the order of the way.
	Via []Host `json:"via,omitempty"`
	// Origins is where each setting comes from, by key; absent unless asked for.
	Origins map[string]Origin `json:"origins,omitempty"`
}

// An Origin is where a setting comes from.
type Origin struct {
	// File, Line and Column are absent for what no file says; counted from 1.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Via is the part of the file: "host", "defaults", a group, "ssh_config", …
	Via string `json:"via"`
}

// HostSSH is what of a host only ssh_config can say.
type HostSSH struct {
	ProxyCommand        string   `json:"proxy_command,omitempty"`
	IdentitiesOnly      bool     `json:"identities_only,omitempty"`
	Certificate         []string `json:"certificate,omitempty"`
	Agent               string   `json:"agent,omitempty"`
	HostKeyAlias        string   `json:"host_key_alias,omitempty"`
	KnownHosts          []string `json:"known_hosts,omitempty"`
	GlobalKnownHosts    []string `json:"global_known_hosts,omitempty"`
	KeepaliveIntervalMS *int64   `json:"keepalive_interval_ms,omitempty"`
	PersistMS           int64    `json:"persist_ms,omitempty"`
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
	// Environment are the names of variables that are sent; their values may be
	// secrets.
	Environment []string `json:"environment,omitempty"`
}

// NewHost is the form of h; with explain it says where each value comes from.
func NewHost(h runner.HostView, explain bool) Host {
	j := Host{
		Schema: 1, Type: "host", Host: h.Name,
		Address: h.Address, Port: h.Port, User: h.User, Identity: h.Identity,
		Groups: h.Groups, Labels: h.Labels, Jump: h.Jump,
	}
	j.addSSH(h)
	if _, set := h.Origin(inventory.KeyConnectTimeout); set {
		ms := h.ConnectTimeout.Milliseconds()
		j.ConnectTimeoutMS = &ms
	}
	if _, set := h.Origin(inventory.KeyTimeout); set {
		ms := h.Timeout.Milliseconds()
		j.TimeoutMS = &ms
	}
	if _, set := h.Origin(inventory.KeyRetries); set {
		j.Retries = &h.Retries
	}
	if _, set := h.Origin(inventory.KeyHostKeys); set {
		j.HostKeys = h.HostKeys.String()
	}
	if h.NoExitStatus {
		j.ExitStatus = "none"
	}
	for _, r := range h.Unusable {
		j.Refusals = append(j.Refusals, r.Reason)
	}
	for _, g := range h.Gates {
		if j.Gates == nil {
			j.Gates = map[string]int{}
		}
		j.Gates[g.Name] = g.Parallel
	}
	for _, b := range h.Via {
		j.Via = append(j.Via, NewHost(b, explain))
	}
	for _, r := range h.SSH.Refused {
		j.Refusals = append(j.Refusals, runner.RefusedText(r))
	}
	if explain {
		j.Env = h.Host.Env
		j.Origins = map[string]Origin{}
		for _, s := range h.Settings() {
			o := s.Origin
			j.Origins[string(s.Key)] = Origin{File: o.File, Line: o.Line, Column: o.Column, Via: o.Via}
		}
	}
	return j
}

// addSSH puts into j what ssh_config says of h.
func (j *Host) addSSH(h runner.HostView) {
	s := h.SSH
	if h.Adds(inventory.KeyAddress) {
		j.Address = s.HostName
	}
	if h.Adds(inventory.KeyIdentity) {
		j.Identity = s.Identity
	}
	if h.Adds(inventory.KeyConnectTimeout) {
		ms := s.ConnectTimeout.Milliseconds()
		j.ConnectTimeoutMS = &ms
	}
	if h.Adds(inventory.KeyHostKeys) {
		j.HostKeys = s.HostKeys.String()
	}
	if h.Adds(inventory.KeyJump) {
		j.Jump = s.Jump
	}
	if h.Adds(sshconfig.KeyProxyCommand) {
		j.ProxyCommand = s.ProxyCommand
	}
	j.Port, j.User = cmp.Or(j.Port, s.Port), cmp.Or(j.User, s.User)
	j.IdentitiesOnly, j.Certificate, j.Agent, j.HostKeyAlias = s.IdentitiesOnly, s.Certificate, s.Agent, s.HostKeyAlias
	j.KnownHosts, j.GlobalKnownHosts = s.KnownHosts, s.GlobalKnownHosts
	j.Ciphers, j.MACs, j.KexAlgorithms, j.HostKeyAlgorithms = s.Ciphers, s.MACs, s.KexAlgorithms, s.HostKeyAlgorithms
	j.PubkeyAlgorithms, j.CASignatures = s.PubkeyAlgorithms, s.CASignatureAlgorithms
	j.RequiredRSASize, j.RevokedHostKeys, j.PersistMS = s.RequiredRSASize, s.RevokedHostKeys, s.Persist.Milliseconds()
	j.CheckHostIP, j.LoopbackTrusted, j.HashKnownHosts, j.Methods = s.CheckHostIP, s.LoopbackTrusted, s.HashKnownHosts, s.Methods
	for _, entry := range s.Environment { // the values may be secrets
		name, _, _ := strings.Cut(entry, "=")
		j.Environment = append(j.Environment, name)
	}
	if h.Adds(sshconfig.KeyKeepaliveInterval) {
		ms := s.KeepaliveInterval.Milliseconds()
		j.KeepaliveIntervalMS = &ms
	}
	if h.Adds(sshconfig.KeyKeepaliveCount) {
		j.KeepaliveCount = &s.KeepaliveCount
	}
}

// HidePaths removes files and commands of the daemon's machine, and where settings come
// from.
func (j *Host) HidePaths() {
	j.Identity, j.ProxyCommand, j.Certificate, j.Agent = nil, "", nil, ""
	j.KnownHosts, j.GlobalKnownHosts, j.RevokedHostKeys, j.Origins = nil, nil, "", nil
	for i := range j.Via {
		j.Via[i].HidePaths()
	}
}
