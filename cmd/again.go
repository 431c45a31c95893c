package cmd

import (
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"tutti/internal/hostlist"
	"tutti/inventory"
	"tutti/store"
)

// What a run was given, for the one that repeats it.

// addRepeatedFlags are the flags that a rerun gives again. Those that say which
// hosts are meant are not among them: the hosts are on record.
func (o *launchOptions) addRepeatedFlags(f *pflag.FlagSet) {
	o.selectOptions.addInventoryFlag(f)
	o.selectOptions.addHostsFlag(f)
	o.taskOptions.addRunFlags(f)
	o.limitOptions.addFlags(f)
	o.rollingOptions.addFlags(f)
	o.loginOptions.addFlags(f)
}

// givenFlags are the flags in f, which o has read, that a rerun gives again, as
// far as they were given. Files are named so that they are found from
// everywhere. No secret is in a flag.
func (o *launchOptions) givenFlags(f *pflag.FlagSet) map[string][]string {
	repeated := pflag.NewFlagSet("", pflag.ContinueOnError)
	newLaunchOptions().addRepeatedFlags(repeated)
	given := make(map[string][]string)
	f.Visit(func(flag *pflag.Flag) {
		if repeated.Lookup(flag.Name) == nil {
			return
		}
		values := []string{flag.Value.String()}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			values = slices.Clone(list.GetSlice())
		}
		if placeholder, _ := pflag.UnquoteUsage(flag); placeholder == "FILE" {
			for i, path := range values {
				values[i] = absolute(path)
			}
		}
		given[flag.Name] = values
	})
	if o.adHoc() { // which a rerun has not by its flags
		given["hosts"] = []string{o.hosts}
	}
	return given
}

// absolute is path from the root; - stays, and so does what has no way there.
func absolute(path string) string {
	if path == "-" || path == "" {
		return path
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// giveAgain sets in f, which o reads, what the run of that number was given. A
// flag that is in f already counts instead; variables are added.
func giveAgain(f *pflag.FlagSet, o *launchOptions, run int64, given map[string][]string) error {
	anew := make(map[string]bool)
	f.Visit(func(flag *pflag.Flag) { anew[flag.Name] = true })
	for _, name := range slices.Sorted(maps.Keys(given)) {
		values := given[name]
		if name == "env" {
			values = append(slices.Clone(values), o.env...) // the later one counts
			o.env, anew[name] = nil, false
		}
		if anew[name] || anew[instead[name]] {
			continue
		}
		if name == "hosts" {
			// It is not a flag of a rerun, and -i takes the hosts from a file.
			if !anew["inventory"] {
				o.hosts = values[0]
			}
			continue
		}
		for _, value := range values {
			if name == "stdin" && value == "-" {
				return hint(usagef("run %d read what was our standard input then, which cannot be had again", run),
					"--stdin FILE gives it another, and --stdin - what is there now")
			}
			if err := f.Set(name, value); err != nil {
				return usagef("run %d was given --%s=%s: %w", run, name, value, err)
			}
		}
	}
	return nil
}

// instead are flags that exclude each other: one that is given anew takes the
// place of the other.
var instead = map[string]string{
	"ask-sudo-pass":     "sudo-pass-command",
	"sudo-pass-command": "ask-sudo-pass",
	"pty":               "stdin",
	"stdin":             "pty",
}

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
