package store

import (
	"log/slog"
	"time"
)

// Options of Open. The zero value is useful.
type Options struct {
	// Logger tells about migrations and repairs; nil: nobody.
	Logger *slog.Logger
	// Warn is told, in a sentence without a period, what a person should know
	// although the history could be opened: runs that were found cut off, a
	// file that others may read. Nil: nobody.
	Warn func(string)
	// Obey says that what the history tells to run is going to be run: as another
	// user may write in it, that is an error.
	Obey bool
}

// A Condition is what Examine has found.
type Condition struct {
	// Path of the file, free of symbolic links.
	Path string
	// Size of the file and its write-ahead log, in bytes.
	Size int64
	// Runs is how many runs it holds; Newest is when the newest began, zero
	// without any.
	Runs   int
	Newest time.Time
	// Exposed says that other users may read the file.
	Exposed bool
	// ReadOnly says why nothing can be recorded in it; nil: it can.
	ReadOnly error
}
