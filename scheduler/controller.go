package scheduler

import (
	"reflect"
	"slices"
	"time"
)

// A Controller is a process that is registered.
type Controller struct {
	// ID is the number of the registration, and PID that of the process.
	ID  int64
	PID int
	// Machine is the name of its machine; empty: unknown.
	Machine string
	// Serves: it is a daemon. Another process executes one firing that it requested; if
	// it ends before that firing has started, the firing is skipped.
	Serves  bool
	Started time.Time
	// Heard is when it was last heard of, by the ledger's clock; zero: the ledger knows
	// without that whether the process is alive.
	Heard time.Time
	// Skew is how far its clock is ahead of the ledger's.
	Skew time.Duration
	// Draining: it starts nothing any more, and what it executes goes on.
	Draining bool
	// Said is what it last said of itself.
	Said Said
}

// MaxSkew is how far the clock of a controller may be off that of the ledger; one whose
// clock is off more decides nothing.
const MaxSkew = 2 * time.Second

// Said is what a controller says of itself to those who look at all of them. The zero
// value says nothing.
type Said struct {
	Version string `json:"version,omitempty"`
	// Runs is how many runs it executes, and Hosts how many hosts they have.
	Runs  int `json:"runs,omitempty"`
	Hosts int `json:"hosts,omitempty"`
	// MaxRuns and MaxHosts bound what it takes from the queue; 0: no bound of hosts.
	MaxRuns  int `json:"max_runs,omitempty"`
	MaxHosts int `json:"max_hosts,omitempty"`
	// Waits is why it takes nothing from the queue now; empty: it does.
	Waits string `json:"waits,omitempty"`
	// Files are the local files that its runs depend on, by name.
	Files []LocalFile `json:"files,omitempty"`
}

// Equal reports whether both say the same.
func (s *Said) Equal(t *Said) bool { return reflect.DeepEqual(s, t) }

// A LocalFile is a file of a controller's machine, or several that are read as one.
type LocalFile struct {
	// Name says what it is for, the same on all machines: "inventory", "known_hosts", or
	// the path that a job has.
	Name string `json:"name"`
	// Digest is of its content; empty: it cannot be read.
	Digest string `json:"digest,omitempty"`
}

// Differing returns the names of the local files that are not the same on all of the
// controllers that serve and say something of their files, sorted.
func Differing(all []Controller) []string {
	digests := map[string]string{}
	saying := 0
	seen := map[string]int{}
	differ := map[string]bool{}
	for i := range all {
		if !all[i].Serves || all[i].Said.Files == nil {
			continue
		}
		saying++
		for _, f := range all[i].Said.Files {
			if digest, ok := digests[f.Name]; ok && digest != f.Digest {
				differ[f.Name] = true
			}
			digests[f.Name] = f.Digest
			seen[f.Name]++
		}
	}
	var names []string
	for name, n := range seen {
		if differ[name] || n < saying {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
