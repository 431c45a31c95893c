package store

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"tutti/internal/errno"
	"tutti/scheduler"
)

// What can be wrong with a history. An [*Error] wraps one of them, if it is
// one of them.
var (
	// ErrNotExist: OpenExisting, and there is no such file.
	ErrNotExist = errors.New("there is no history yet")
	// ErrIsDirectory: the path leads to a directory.
	ErrIsDirectory = errors.New("is a directory")
	// ErrNotHistory: the file is not a SQLite database, or one of another
	// program.
	ErrNotHistory = errors.New("is not a history of tutti")
	// ErrNewer: the file was written by a newer tutti with another schema.
	ErrNewer = errors.New("was written by a newer tutti")
	// ErrOlder: the file has an older schema and cannot be written to change
	// that.
	ErrOlder = errors.New("was written by an older tutti and cannot be brought up to date")
	// ErrReadOnly: the file, its directory or its file system cannot be written.
	ErrReadOnly = errors.New("cannot be written")
	// ErrUnreadable: the file or its directory cannot be read.
	ErrUnreadable = errors.New("cannot be read")
	// ErrNotOwned: the file belongs to another user.
	ErrNotOwned = errors.New("belongs to another user")
	// ErrUnsafe: another user can write what is in the history, or has put
	// something in the place of one of its files.
	ErrUnsafe = errors.New("is not safe to use")
	// ErrFull: there is no space left on the device.
	ErrFull = errors.New("no space left")
	// ErrMoved: the file is not at its path any more, or another one is.
	ErrMoved = errors.New("has been moved or deleted since it was opened")
	// ErrDamaged: the database is corrupt.
	ErrDamaged = errors.New("is damaged")
	// ErrBusy: another process has kept the history locked for too long.
	ErrBusy = errors.New("is locked by another process")
	// ErrLibrary: the SQLite this program is linked with is too old to be
	// trusted with the file.
	ErrLibrary = errors.New("the SQLite library is too old")
	// ErrClosed: the recorder has been closed.
	ErrClosed = errors.New("the recorder is closed")
	// ErrTaken: the firing is not, or no longer, for the caller to begin.
	ErrTaken = scheduler.ErrTaken
)

var hints = map[error]string{
	ErrNotExist:    "a run records itself; name another file with --history if the runs are elsewhere",
	ErrIsDirectory: "--history takes a file, such as history.db in that directory",
	ErrNotHistory:  "name another file with --history; nothing was changed in this one",
	ErrNewer:       "update tutti, or name another file with --history",
	ErrOlder:       "open it once with an account that may write it",
	ErrReadOnly:    "make the file and its directory writable, or name another file with --history",
	ErrUnreadable:  "make the file and its directory readable, or name another file with --history",
	ErrNotOwned:    "run it as the owner (sudo -u), or name another file with --history; history, show and diff read it",
	ErrUnsafe:      "see who made it with ls -ld; then remove it, or chmod go-w; or name another file with --history",
	ErrFull:        "free some space, or delete old runs with `tutti history prune`",
	ErrMoved:       "move it back to where it was, or restart what keeps it open",
	ErrDamaged:     "move the file away to begin a new one; `sqlite3 FILE .recover` may save the runs in it",
	ErrBusy:        "see which program has an open transaction in it, and try again",
	ErrLibrary:     "build without the libsqlite3 tag, so that the SQLite that comes with tutti is used",
}

// An Error says what was wrong with which history.
type Error struct {
	// Op is what was tried: "open", "record", "read", "prune", "change".
	Op string
	// Path of the history file.
	Path string
	// Kind is one of the sentinels of this package, or nil.
	Kind error
	// Err is the cause, or nil.
	Err error
}

func (e *Error) Error() string {
	switch {
	case e.Kind == nil:
		return fmt.Sprintf("%s history %s: %v", e.Op, e.Path, e.Err)
	case e.Err == nil:
		return fmt.Sprintf("%s history %s: %v", e.Op, e.Path, e.Kind)
	}
	return fmt.Sprintf("%s history %s: %v: %v", e.Op, e.Path, e.Kind, e.Err)
}

// Unwrap gives Kind and Err, as far as they are set.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Hint says what can be done about it; empty if that is not known. Where a file
// could not be had, it goes by why the system refused it.
func (e *Error) Hint() string {
	if errors.Is(e.Err, ErrNotOwned) {
		return hints[ErrNotOwned]
	}
	if e.Kind == nil || errors.Is(e.Kind, ErrReadOnly) || errors.Is(e.Kind, ErrUnreadable) {
		cause := errno.Of(e.Err)
		if text := errno.Hint(e.Err); text != "" && (e.Kind == nil || !errors.Is(cause, fs.ErrPermission)) {
			return text
		}
	}
	return hints[e.Kind]
}

// A NoRunError says that the history has no run that fits Ref.
type NoRunError struct {
	Ref string
	// Newest is the highest run number in the history, 0 if it is empty.
	Newest int64
}

func (e *NoRunError) Error() string { return fmt.Sprintf("no run %q in the history", e.Ref) }

// Hint says which runs there are.
func (e *NoRunError) Hint() string {
	if e.Newest == 0 {
		return "the history is empty"
	}
	return fmt.Sprintf("the newest run is %d; `tutti history` lists them", e.Newest)
}

// A RefError says that Ref does not name a run.
type RefError struct{ Ref string }

func (e *RefError) Error() string { return fmt.Sprintf("%q does not name a run", e.Ref) }

// Hint says what would.
func (e *RefError) Hint() string {
	return "want a number such as 142, last, or last~1 for the one before"
}

// A JobExistsError says that there is a job of that name.
type JobExistsError struct{ Name string }

func (e *JobExistsError) Error() string { return fmt.Sprintf("there is a job %q already", e.Name) }

// Hint says how to get at it.
func (e *JobExistsError) Hint() string {
	return fmt.Sprintf("change it with `tutti job edit %s`, or choose another name", e.Name)
}

// A JobChangedError says that a job is not any more what the caller has read.
type JobChangedError struct {
	Name string
	// Version is the job's now, By whom and At when it was made.
	Version int64
	By      string
	At      time.Time
}

func (e *JobChangedError) Error() string {
	return fmt.Sprintf("job %q was changed by %s in the meantime, to version %d", e.Name, e.By, e.Version)
}

// Hint says how to go on.
func (e *JobChangedError) Hint() string {
	return fmt.Sprintf("see `tutti job show %s`, and try again", e.Name)
}

// A NoJobError says that there is no job of that name.
type NoJobError struct {
	Name string
	// Nearest is the name that may have been meant; empty: none is near.
	Nearest string
}

func (e *NoJobError) Error() string { return fmt.Sprintf("no job %q", e.Name) }

// Hint says which there is.
func (e *NoJobError) Hint() string {
	if e.Nearest == "" {
		return "`tutti job list` lists the jobs"
	}
	return fmt.Sprintf("did you mean %s? `tutti job list` lists the jobs", e.Nearest)
}

// A KillError says why a run cannot be ended.
type KillError struct {
	Run    int64
	Reason string
	hint   string
}

func (e *KillError) Error() string { return fmt.Sprintf("cannot end run %d: %s", e.Run, e.Reason) }

// Hint says what can be done instead.
func (e *KillError) Hint() string { return e.hint }

// fault wraps err, which may be nil, with what was tried and what SQLite says
// about it. An error that already says so is passed on, and so is one about
// what is in the history.
func (s *Store) fault(op string, err error) error {
	return faultAt(op, s.path, err)
}

func faultAt(op, path string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return err
	}
	for _, known := range []error{ErrTaken, scheduler.ErrConflict, scheduler.ErrKnown, scheduler.ErrFenced} {
		if errors.Is(err, known) {
			return err
		}
	}
	return &Error{Op: op, Path: path, Kind: kindOf(err), Err: withCause(err)}
}
