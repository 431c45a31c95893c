package runner

import (
	"path/filepath"

	"tutti/internal/fault"
	"tutti/internal/hostlist"
	"tutti/inventory"
	"tutti/store"
)

// A Previous is the run that a rerun repeats, and how. It is nil for other runs.
type Previous struct {
	Run   store.Run
	Hosts []string // those that are meant
	Yes   bool     // go on without those that have left the inventory
}

// knowsInventory reports whether the hosts of the run came from files.
func (p *Previous) knowsInventory() bool { return p != nil && p.Run.Inventory != "" }

// inventory is the files that the hosts of the run came from. Those that nobody
// named in that run's command are not trusted more now than they were then: found
// are the files that a command without -i would use here.
func (p *Previous) inventory(found []inventory.File) []inventory.File {
	if joinPaths(found) == p.Run.Inventory {
		return found
	}
	var files []inventory.File
	for _, path := range filepath.SplitList(p.Run.Inventory) {
		files = append(files, inventory.File{Path: path, Trust: inventory.Found})
	}
	return files
}

// check refuses an inventory that some of the hosts have left. If all have, the
// selection says so.
func (p *Previous) check(inv *inventory.Inventory) error {
	if p == nil {
		return nil
	}
	var missing []string
	for _, name := range p.Hosts {
		if _, ok := inv.Host(name); !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 || len(missing) == len(p.Hosts) || p.Yes {
		return nil
	}
	return fault.Hint(fault.Usagef("no longer in the inventory, of the %d hosts to run again: %s", len(p.Hosts), hostlist.Fold(missing)),
		"--yes runs the rest")
}
