package inventory

import "slices"

// Bastion returns a host that no file has and that jump: names at from. It has
// the defaults of that file, as a host in it would, but for their jump, which is
// the way through it, and their labels. Without a file it has the defaults of all
// of them, the later over the earlier.
func (inv *Inventory) Bastion(name string, from Origin) *Host {
	var all settings
	for _, defaults := range slices.Backward(inv.defaults) {
		if len(defaults) > 0 && (from.File == "" || from.File == defaults[0].origin.File) {
			all = all.over(defaults)
		}
	}
	all = slices.DeleteFunc(slices.Clone(all), func(s setting) bool {
		_, label := s.key.label()
		return label || s.key == KeyJump
	})
	h := &Host{Name: name, own: all, shared: &profile{}}
	all.apply(h)
	return h
}
