package store

import "time"

// A Retention says which runs Prune keeps. The zero value keeps all, except by limits
// of jobs: Keep and KeepRuns do not apply to runs of a job that limits the age or the
// number of its own.
type Retention struct {
	// Keep is the maximum age of a run, from its start; 0: any age.
	Keep time.Duration
	// KeepRuns is the number of newest runs that are kept; 0: any number.
	KeepRuns int
	// MaxSize bounds the bytes of the history file, by deleting the oldest runs; 0: any
	// size.
	MaxSize int64
}

// DefaultRetention keeps 90 days and 2 GiB.
func DefaultRetention() Retention {
	return Retention{Keep: 90 * 24 * time.Hour, MaxSize: 2 << 30}
}

// Pruned says what Prune has deleted.
type Pruned struct {
	Runs int
	// Newest is the highest number of a deleted run; 0: none.
	Newest int64
	// Held counts the runs that stay although the retention does not keep them: a
	// daemon has still to settle their firings.
	Held int
	// Bytes is by how much the file has shrunk.
	Bytes int64
}
