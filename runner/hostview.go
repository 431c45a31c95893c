package runner

import (
	"cmp"
	"slices"

	"tutti/inventory"
	"tutti/inventory/sshconfig"
	"tutti/ssh"
)

// A HostView is a host with what ssh_config adds to it.
type HostView struct {
	*inventory.Host
	SSH *sshconfig.Settings
	// Via are the bastions on the way, which are named by the host itself.
	Via []HostView
}

// ViewHosts resolves hosts of inv with s, and with deep also their bastions.
func ViewHosts(s *SSHHosts, inv *inventory.Inventory, hosts []*inventory.Host, deep bool) ([]HostView, error) {
	shown := make([]HostView, len(hosts))
	for i, h := range hosts {
		settings, err := s.ask(h, "", 0)
		if err != nil {
			return nil, err
		}
		shown[i] = HostView{Host: h, SSH: settings}
		if !deep {
			continue
		}
		if shown[i].Via, err = bastions(s, inv, routeTo(h, settings, ssh.Endpoint{})); err != nil {
			return nil, err
		}
	}
	return shown, nil
}

// bastions are those that w names.
func bastions(s *SSHHosts, inv *inventory.Inventory, w way) ([]HostView, error) {
	if w.jump == "" {
		return nil, nil
	}
	hops, err := inventory.ParseJump(w.jump)
	if err != nil {
		return nil, nil //nolint:nilerr // the error is reported when the host is contacted
	}
	var via []HostView
	for _, hop := range hops {
		h, err := w.bastion(inv, hop)
		if err != nil {
			continue // the error is reported when the host is contacted
		}
		settings, err := s.ask(h, hop.User, hop.Port)
		if err != nil {
			return nil, err
		}
		via = append(via, HostView{Host: h, SSH: settings})
	}
	return via, nil
}

// Settings are those of the inventory, then those of ssh_config that the inventory
// leaves open, sorted by key.
func (h HostView) Settings() []inventory.Setting {
	list := h.Host.Settings()
	for _, s := range h.SSH.Settings() {
		if h.open(s.Key) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b inventory.Setting) int { return cmp.Compare(a.Key, b.Key) })
	return list
}

// open reports whether the inventory leaves key to ssh_config.
func (h HostView) open(key inventory.Key) bool {
	_, set := h.Origin(key)
	if key == sshconfig.KeyProxyCommand {
		_, set = h.Origin(inventory.KeyJump)
	}
	return !set
}

// Adds reports whether key is set by ssh_config and by nothing before it.
func (h HostView) Adds(key inventory.Key) bool {
	_, set := h.SSH.Origin(key)
	return set && h.open(key)
}
