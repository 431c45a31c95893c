package runner

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tutti/internal/fault"
	"tutti/internal/hostkeys"
	"tutti/internal/phrase"
	"tutti/inventory"
	"tutti/inventory/sshconfig"
	"tutti/ssh"
)

// A router finds the route to hosts: flags come before the inventory, and that before
// ssh_config.
type router struct {
	env     *Env
	request *Request
	inv     *inventory.Inventory
	config  *SSHHosts
	jumps   map[jumpKey][]ssh.Endpoint // that have been resolved
}

// A jumpKey is what jumps are resolved by: their text, and the file that has it.
type jumpKey struct{ text, file string }

// endpoint is how h is reached; s is what ssh_config says of it.
func (r *router) endpoint(h *inventory.Host, s *sshconfig.Settings) (ssh.Endpoint, error) {
	e, err := r.env.endpoint(h, s, &r.request.Login)
	if err != nil {
		return e, err
	}
	r.persist(&e, s)
	w := routeTo(h, s, e)
	if r.request.Given("jump") {
		w = way{jump: r.request.Login.Jump, origin: fault.Key("jump"), from: &inventory.Origin{}}
	}
	e.ProxyCommand = w.proxy
	if w.jump == "" {
		return e, nil
	}
	if e.Jumps, err = r.viaJumps(w, nil); err != nil {
		return e, fault.Errorf("host %s is reached through %s (%s): %w", h.Name, w.jump, w.origin, err)
	}
	if slices.ContainsFunc(e.Jumps, func(j ssh.Endpoint) bool { return sameHost(j, e) }) {
		err := fault.Errorf("host %s is reached through %s (%s), and that is the host itself", h.Name, w.jump, w.origin)
		if r.request.Given("jump") {
			return e, fault.Hintf(err, "%s %s leaves it out", fault.Short("exclude"), phrase.ShellWord(h.Name))
		}
		return e, fault.Hintf(err, "jump: none for host %s connects directly", h.Name)
	}
	return e, nil
}

// A way is how a host is reached: through jumps, by a proxy command, or directly if
// both are empty.
type way struct {
	jump, proxy string
	// origin is what names the jumps: a key, or a place in a file.
	origin any
	// from is where the inventory names the jumps, without a file for the flag.
	// Bastions that the inventory does not have get the defaults of that file. Nil:
	// ssh_config names the jumps, and they get no defaults.
	from *inventory.Origin
}

// routeTo is the way to h, whose endpoint is e, by the inventory, or else by
// ssh_config.
func routeTo(h *inventory.Host, s *sshconfig.Settings, e ssh.Endpoint) way {
	if o, set := h.Origin(inventory.KeyJump); set {
		proxy := h.Proxy(inventory.ProxyTarget{Name: HostWord(h), Address: e.Address, User: e.User, Port: e.Port})
		return way{jump: h.Jump, proxy: proxy, origin: o.String(), from: &o}
	}
	if o, set := s.Origin(inventory.KeyJump); set {
		return way{jump: s.Jump, origin: o.String()}
	}
	return way{proxy: s.ProxyCommand}
}

// viaJumps resolves the jumps of w. before are the hosts that are being resolved, each
// a jump with jumps of its own.
func (r *router) viaJumps(w way, before []ssh.Endpoint) ([]ssh.Endpoint, error) {
	key := jumpKey{text: w.jump, file: "ssh_config"}
	if w.from != nil {
		key.file = "inventory " + w.from.File
	}
	if known, ok := r.jumps[key]; ok {
		return known, nil
	}
	if len(before) >= inventory.MaxJumps {
		return nil, fmt.Errorf("more than %d jump hosts in a row", inventory.MaxJumps)
	}
	hops, err := inventory.ParseJump(w.jump)
	if err != nil {
		return nil, err
	}
	var jumps []ssh.Endpoint
	for i, hop := range hops {
		e, own, err := r.hop(w, hop)
		if err != nil {
			return nil, err
		}
		if at := slices.IndexFunc(before, func(b ssh.Endpoint) bool { return sameHost(b, e) }); at >= 0 {
			return nil, circleError(slices.Concat(before[at:], []ssh.Endpoint{e}))
		}
		// As with ssh, the list is the way from the first jump to the others,
		// whatever is set for those elsewhere.
		if i == 0 {
			e.ProxyCommand = own.proxy
		}
		if i == 0 && own.jump != "" {
			if jumps, err = r.viaJumps(own, slices.Concat(before, []ssh.Endpoint{e})); err != nil {
				return nil, err
			}
		}
		if slices.ContainsFunc(jumps, func(j ssh.Endpoint) bool { return sameHost(j, e) }) {
			return nil, fmt.Errorf("%s is twice on the route", e.Alias)
		}
		jumps = slices.Concat(jumps, []ssh.Endpoint{e})
	}
	r.jumps[key] = jumps
	return jumps, nil
}

// endpoint is how to log in to h: flags come before the inventory, and that before
// ssh_config.
func (env *Env) endpoint(h *inventory.Host, s *sshconfig.Settings, o *Login) (ssh.Endpoint, error) {
	e := ssh.Endpoint{
		Address:    h.Address,
		Port:       cmp.Or(o.Port, h.Port),
		User:       cmp.Or(o.User, h.User),
		Identities: h.Identity,
		Alias:      h.Name,

		NoExitStatus: h.NoExitStatus,
	}
	if e.Address == "" {
		e.Address = HostWord(h)
		e.Alias = e.Address
	}
	if len(o.Identity) > 0 {
		e.Identities = o.Identity
	}
	env.addSSHConfig(&e, h, s, o)
	e.Port = cmp.Or(e.Port, defaultPort)
	if e.User == "" {
		if e.User = env.User; e.User == "" {
			return e, fault.Advise(errors.New("cannot determine your user name"), AdviceNoUser)
		}
	}
	var err error
	e.HostKeys, err = hostkeys.Parse(hostKeysMode(h, s, o))
	return e, err
}

// bastion is a host to connect through: the inventory's host of that name, or else one
// with the defaults that apply where w names it.
func (w way) bastion(inv *inventory.Inventory, hop inventory.Hop) (*inventory.Host, error) {
	h, known := inv.Host(hop.Host)
	if !known {
		h, known = inv.Host("[" + hop.Host + "]")
	}
	switch {
	case !known && w.from == nil:
		return &inventory.Host{Name: hop.Host}, nil
	case !known:
		h = inv.Bastion(hop.Host, *w.from)
	}
	return h, inv.Check(h)
}

// hop returns a bastion, and the way to it. A user and a port next to the hop come
// before the inventory's settings for it. Login flags are about the hosts at the end,
// except --host-keys, and --identity if nothing else names a key.
func (r *router) hop(w way, hop inventory.Hop) (e ssh.Endpoint, own way, err error) {
	h, err := w.bastion(r.inv, hop)
	if err != nil {
		return e, own, err
	}
	s, err := r.config.reach(h, hop.User, hop.Port)
	if err != nil {
		return e, own, err
	}
	e, err = r.env.endpoint(h, s, &Login{
		User: hop.User, Port: hop.Port, HostKeys: r.request.Login.HostKeys, KnownHosts: r.request.Login.KnownHosts,
	})
	if e.Identities == nil {
		e.Identities = r.request.Login.Identity
	}
	if err == nil {
		r.persist(&e, s)
	}
	return e, routeTo(h, s, e), err
}

// sameHost reports whether both lead to one place.
func sameHost(a, b ssh.Endpoint) bool {
	return strings.EqualFold(a.Address, b.Address) && a.Port == b.Port
}

func circleError(circle []ssh.Endpoint) error {
	names := make([]string, len(circle))
	for i, e := range circle {
		names[i] = e.Alias
	}
	return fault.Hint(errors.New("the jump hosts form a cycle: "+strings.Join(names, ", through ")),
		"jump: none for one of these hosts connects to it directly")
}

// JumpText is the way to e as a plan shows it; empty if it is direct.
func JumpText(e ssh.Endpoint) string {
	hops := make([]string, len(e.Jumps))
	for i, j := range e.Jumps {
		hops[i] = inventory.Hop{User: j.User, Host: cmp.Or(j.Alias, j.Address), Port: j.Port}.String()
	}
	return strings.Join(hops, ",")
}
