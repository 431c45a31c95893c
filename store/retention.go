package store

import "time"

// Retention says which runs are kept. The zero value keeps all, except what jobs
// say of their own: one that limits the age or the number of its runs is not
// subject to Keep and KeepRuns.
type Retention struct {
	// Keep is how old the start of a run may be; 0: any age.
	Keep time.Duration
	// KeepRuns is how many runs are kept, the newest; 0: any number.
	KeepRuns int
	// MaxSize bounds the bytes of the history file, by giving up the oldest
	// runs; 0: any size.
	MaxSize int64
}

// DefaultRetention keeps 90 days and 2 GiB.
func DefaultRetention() Retention {
	return Retention{Keep: 90 * 24 * time.Hour, MaxSize: 2 << 30}
}

// Pruned is what Prune has deleted.
type Pruned struct {
	Runs int
	// Newest is the highest number among them, 0 if there is none.
	Newest int64
	// Held is how many runs stay although the retention does not keep them: a daemon
	// has still to look at how they ended.
	Held int
	// Bytes by which the file has become smaller.
	Bytes int64
}
