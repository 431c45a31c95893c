package store

import (
	"log/slog"
	"time"
)

// Options configure Open. The zero value is useful.
type Options struct {
	// Logger gets migrations and repairs; nil: they are not logged.
	Logger *slog.Logger
	// Warn is called with a sentence, without a period, about what an operator should
	// know although the history could be opened: interrupted runs, a file that other
	// users may read. Nil: it is not called.
	Warn func(string)
	// Obey: the caller will run commands from the history, so that a history to which
	// another user can write is an error.
	Obey bool
}

// A Condition is the result of Examine.
type Condition struct {
	// Path of the file, symbolic links resolved.
	Path string
	// Size of the file and its write-ahead log, in bytes.
	Size int64
	// Runs counts its runs; Newest is when the newest started, zero without any.
	Runs   int
	Newest time.Time
	// Exposed: other users may read the file.
	Exposed bool
	// ReadOnly is why nothing can be recorded in it; nil: it is writable.
	ReadOnly error
}
