package inventory

import (
	"slices"

	"tutti/inventory/layer"
)

// Bastion returns a host for a jump that is in no file; from is where the jump is
// named. It has the defaults of that file, as a host in it would, except labels and the
// jump itself. Without a file it has the defaults of all files, the later over the
// earlier.
func (inv *Inventory) Bastion(name string, from layer.Origin) *Host {
	var all layer.Values
	for _, defaults := range slices.Backward(inv.defaults) {
		if len(defaults) > 0 && (from.File == "" || from.File == defaults[0].Origin.File) {
			all = all.Over(defaults)
		}
	}
	all = slices.DeleteFunc(slices.Clone(all), func(s layer.Value) bool {
		_, label := s.Key.Label()
		return label || s.Key == layer.KeyJump
	})
	h := &Host{Name: name, own: all, shared: &profile{}}
	apply(all, h)
	return h
}
