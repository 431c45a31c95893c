package cmd

import (
	"path/filepath"

	"tutti/internal/hostlist"
	"tutti/inventory"
	"tutti/store"
)

// A former is the run that a rerun repeats, and how. It is nil for other runs.
type former struct {
	run     store.Run
	hosts   []string // those that are meant
	yes     bool     // go on without those that have left the inventory
	history *historyFile
	// warnings have not been shown yet.
	warnings []string
}

// knowsInventory reports whether the hosts of the run came from files.
func (f *former) knowsInventory() bool { return f != nil && f.run.Inventory != "" }

// inventory is the files that the hosts of the run came from. Those that nobody
// named in that run's command are not trusted more now than they were then: found
// are the files that a command without -i would use here.
func (f *former) inventory(found []inventory.File) []inventory.File {
	if joinPaths(found) == f.run.Inventory {
		return found
	}
	var files []inventory.File
	for _, path := range filepath.SplitList(f.run.Inventory) {
		files = append(files, inventory.File{Path: path, Trust: inventory.Found})
	}
	return files
}

// check refuses an inventory that some of the hosts have left. If all have, the
// selection says so.
func (f *former) check(inv *inventory.Inventory) error {
	if f == nil {
		return nil
	}
	var missing []string
	for _, name := range f.hosts {
		if _, ok := inv.Host(name); !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 || len(missing) == len(f.hosts) || f.yes {
		return nil
	}
	return hint(usagef("no longer in the inventory, of the %d hosts to run again: %s", len(f.hosts), hostlist.Fold(missing)),
		"--yes runs the rest")
}
