package place

import (
	"time"

	"github.com/spf13/pflag"

	"tutti/internal/fault"
	"tutti/internal/quantity"
	"tutti/internal/typed"
	"tutti/store"
)

// Retention says which runs a history keeps.
type Retention struct {
	keepAge  typed.Duration
	keepRuns int
	maxSize  typed.Size
}

// AddFlags adds the flags about them.
func (o *Retention) AddFlags(f *pflag.FlagSet) {
	f.Var(&o.keepAge, "keep", "keep the runs of the last `DURATION`")
	f.IntVar(&o.keepRuns, "keep-runs", 0, "keep the newest `N` runs")
	f.Var(&o.maxSize, "max-size", "keep as many runs as fit into `SIZE`")
}

// Keep is what the flags say, and the default if they say nothing.
func (o *Retention) Keep(f *pflag.FlagSet) (store.Retention, error) {
	keep := store.Retention{Keep: time.Duration(o.keepAge), KeepRuns: o.keepRuns, MaxSize: int64(o.maxSize)}
	switch {
	case f.Changed("keep-runs") && o.keepRuns < 1:
		return keep, fault.Syntaxf("--keep-runs %d: must be 1 or more", o.keepRuns)
	case f.Changed("max-size") && o.maxSize < smallestHistory:
		return keep, fault.Syntaxf("--max-size %s would keep nothing: a history needs at least %s", quantity.FormatSize(int64(o.maxSize)), quantity.FormatSize(smallestHistory))
	case f.Changed("keep") && o.keepAge == 0:
		return keep, fault.Syntaxf("nothing would be kept: to delete everything, delete the history file")
	case keep == store.Retention{}:
		return store.DefaultRetention(), nil
	}
	return keep, nil
}

// smallestHistory is what a history with a run or two takes on the disk.
const smallestHistory = 1 << 20
