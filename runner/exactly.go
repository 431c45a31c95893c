package runner

import (
	"tutti/internal/fault"
	"tutti/internal/hostlist"
	"tutti/inventory"
)

// exactly are the hosts of those names, in their order, as an inventory has them now.
func exactly(inv *inventory.Inventory, files string, names []string) (*Selection, error) {
	s := &Selection{From: inv, Files: files, Hosts: make([]*inventory.Host, 0, len(names)), Warnings: inv.Warnings}
	var gone []string
	for _, name := range names {
		h, ok := inv.Host(name)
		if !ok {
			gone = append(gone, name)
			continue
		}
		if err := inv.Check(h); err != nil {
			return nil, fault.Usage(err)
		}
		s.Hosts = append(s.Hosts, h)
	}
	if len(gone) > 0 {
		return nil, fault.Usagef("of its %d hosts, no longer in the inventory: %s", len(names), hostlist.Fold(gone))
	}
	return s, nil
}
