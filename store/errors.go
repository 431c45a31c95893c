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
	ErrNotExist = errors.New("no history yet")
	// ErrIsDirectory: the path leads to a directory.
	ErrIsDirectory = errors.New("is a directory")
	// ErrNotHistory: the file is not a SQLite database, or one of another
	// program.
	ErrNotHistory = errors.New("is not a history")
	// ErrNewer: the file was written by a newer tutti with another schema.
	ErrNewer = errors.New("was written by a newer tutti")
	// ErrOlder: the file has an older schema and cannot be written to change
	// that.
	ErrOlder = errors.New("was written by an older tutti and cannot be migrated")
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
	// ErrTaken: the firing, or the run, is not, or no longer, the caller's.
	ErrTaken = scheduler.ErrTaken
)

// What can be done about the errors of this package: the codes of their Advice, whose
// words the caller has.
const (
	AdviceNotExist    = "history missing"
	AdviceIsDirectory = "history is directory"
	AdviceNotHistory  = "not a history"
	AdviceNewer       = "history newer"
	AdviceOlder       = "history older"
	AdviceReadOnly    = "history read-only"
	AdviceUnreadable  = "history unreadable"
	AdviceNotOwned    = "history not owned"
	AdviceUnsafe      = "history unsafe"
	AdviceFull        = "history disk full"
	AdviceMoved       = "history moved"
	AdviceDamaged     = "history damaged"
	AdviceBusy        = "history busy"
	AdviceLibrary     = "old SQLite"
	// AdviceNoRuns is of a history without a run, and AdviceNoRun of one without a
	// certain run: the number of the newest.
	AdviceNoRuns = "no runs"
	AdviceNoRun  = "no run"
	// AdviceRef is of words that name no run.
	AdviceRef = "no run named"
	// AdviceJobExists and AdviceJobChanged: the name of the job.
	AdviceJobExists  = "job exists"
	AdviceJobChanged = "job changed"
	// AdviceNoJob is of a name that no job has; AdviceNearJob: the name that may have
	// been meant.
	AdviceNoJob   = "no job"
	AdviceNearJob = "no job but one like it"
	// AdviceRunEnded is of a run that is not there to be ended any more, and
	// AdviceKillElsewhere of one that is of no job: the run.
	AdviceRunEnded      = "run ended"
	AdviceKillElsewhere = "run not of a job"
)

var advice = map[error]string{
	ErrNotExist:    AdviceNotExist,
	ErrIsDirectory: AdviceIsDirectory,
	ErrNotHistory:  AdviceNotHistory,
	ErrNewer:       AdviceNewer,
	ErrOlder:       AdviceOlder,
	ErrReadOnly:    AdviceReadOnly,
	ErrUnreadable:  AdviceUnreadable,
	ErrNotOwned:    AdviceNotOwned,
	ErrUnsafe:      AdviceUnsafe,
	ErrFull:        AdviceFull,
	ErrMoved:       AdviceMoved,
	ErrDamaged:     AdviceDamaged,
	ErrBusy:        AdviceBusy,
	ErrLibrary:     AdviceLibrary,
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

// Advice follows from what is wrong, and is none where a file could not be had for a
// reason of the system's: see Hint.
func (e *Error) Advice() (code string, args []any) {
	switch {
	case errors.Is(e.Err, ErrNotOwned):
		return advice[ErrNotOwned], nil
	case e.Hint() != "":
		return "", nil
	}
	return advice[e.Kind], nil
}

// Hint says what can be done about why the system has refused a file; empty if that
// is not known, or there is an Advice.
func (e *Error) Hint() string {
	if errors.Is(e.Err, ErrNotOwned) || e.Kind != nil && !errors.Is(e.Kind, ErrReadOnly) && !errors.Is(e.Kind, ErrUnreadable) {
		return ""
	}
	if e.Kind != nil && errors.Is(errno.Of(e.Err), fs.ErrPermission) {
		return ""
	}
	return errno.Hint(e.Err)
}

// A NoRunError says that the history has no run that fits Ref.
type NoRunError struct {
	Ref string
	// Newest is the highest run number in the history, 0 if it is empty.
	Newest int64
}

func (e *NoRunError) Error() string { return fmt.Sprintf("no run %q in the history", e.Ref) }

// Advice says which runs there are.
func (e *NoRunError) Advice() (code string, args []any) {
	if e.Newest == 0 {
		return AdviceNoRuns, nil
	}
	return AdviceNoRun, []any{e.Newest}
}

// A RefError says that Ref does not name a run.
type RefError struct{ Ref string }

func (e *RefError) Error() string { return fmt.Sprintf("%q is not a run", e.Ref) }

// Advice says what would.
func (e *RefError) Advice() (code string, args []any) { return AdviceRef, nil }

// A JobExistsError says that there is a job of that name.
type JobExistsError struct{ Name string }

func (e *JobExistsError) Error() string { return fmt.Sprintf("job %q already exists", e.Name) }

// Advice says how to get at it.
func (e *JobExistsError) Advice() (code string, args []any) { return AdviceJobExists, []any{e.Name} }

// A JobChangedError says that a job is not any more what the caller has read.
type JobChangedError struct {
	Name string
	// Version is the job's now, By whom and At when it was made.
	Version int64
	By      string
	At      time.Time
}

func (e *JobChangedError) Error() string {
	return fmt.Sprintf("job %q was changed by %s, to version %d", e.Name, e.By, e.Version)
}

// Advice says how to go on.
func (e *JobChangedError) Advice() (code string, args []any) {
	return AdviceJobChanged, []any{e.Name}
}

// A NoJobError says that there is no job of that name.
type NoJobError struct {
	Name string
	// Nearest is the name that may have been meant; empty: none is near.
	Nearest string
}

func (e *NoJobError) Error() string { return fmt.Sprintf("no job %q", e.Name) }

// Advice says which there is.
func (e *NoJobError) Advice() (code string, args []any) {
	if e.Nearest == "" {
		return AdviceNoJob, nil
	}
	return AdviceNearJob, []any{e.Nearest}
}

// A KillError says why a run cannot be ended.
type KillError struct {
	Run    int64
	Reason string
	advice string // its code
}

func (e *KillError) Error() string { return fmt.Sprintf("cannot stop run %d: %s", e.Run, e.Reason) }

// Advice says what can be done instead.
func (e *KillError) Advice() (code string, args []any) {
	return e.advice, []any{e.Run}
}

// noAdvice is part of an error about what is in the history, about which nothing else
// can be done than it says.
type noAdvice struct{}

// Advice is none.
func (noAdvice) Advice() (code string, args []any) { return "", nil }
