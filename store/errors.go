package store

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"tutti/internal/errno"
	"tutti/scheduler"
)

// The kinds of errors of a history, which an [*Error] may wrap.
var (
	// ErrNotExist: OpenExisting found no file.
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
	// ErrUnsafe: another user can write to the history, or has replaced one of its
	// files.
	ErrUnsafe = errors.New("is not safe to use")
	// ErrFull: there is no space left on the device.
	ErrFull = errors.New("no space left")
	// ErrMoved: the file is not at its path any more, or another one is.
	ErrMoved = errors.New("has been moved or deleted since it was opened")
	// ErrDamaged: the database is corrupt.
	ErrDamaged = errors.New("is damaged")
	// ErrBusy: another process locked the history for too long.
	ErrBusy = errors.New("is locked by another process")
	// ErrLibrary: the linked SQLite has a bug that could corrupt the file.
	ErrLibrary = errors.New("the SQLite library is too old")
	// ErrUnreachable: the server of the history does not answer.
	ErrUnreachable = errors.New("cannot be reached")
	// ErrTLS: there is no secure connection to the server, or its certificate is not
	// trusted.
	ErrTLS = errors.New("cannot be reached securely")
	// ErrLogin: the server refuses the user, or its password.
	ErrLogin = errors.New("refuses the login")
	// ErrNoDatabase: the server has no such database.
	ErrNoDatabase = errors.New("does not exist on the server")
	// ErrStandby: the server is a standby, or in recovery.
	ErrStandby = errors.New("is on a server that takes no writes")
	// ErrVolatile: the server may lose what it has acknowledged.
	ErrVolatile = errors.New("may lose what it has acknowledged")
	// ErrClosed: the recorder has been closed.
	ErrClosed = errors.New("the recorder is closed")
	// ErrTaken: another process owns the firing or the run.
	ErrTaken = scheduler.ErrTaken
)

// The codes of Advice about errors of this package, which the caller words.
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
	AdviceUnreachable = "history unreachable"
	AdviceTLS         = "history without TLS"
	AdviceLogin       = "history login"
	AdviceNoDatabase  = "no database"
	AdviceStandby     = "history standby"
	AdviceVolatile    = "history volatile"
	// AdviceNoRuns: the history has no runs. AdviceNoRun: it has no such run; with the
	// number of the newest.
	AdviceNoRuns = "no runs"
	AdviceNoRun  = "no run"
	// AdviceRef: the text names no run.
	AdviceRef = "no run named"
	// AdviceJobExists and AdviceJobChanged: with the name of the job.
	AdviceJobExists  = "job exists"
	AdviceJobChanged = "job changed"
	// AdviceNoJob: no job has the name. AdviceNearJob: with the nearest name.
	AdviceNoJob   = "no job"
	AdviceNearJob = "no job but one like it"
	// AdviceRunEnded: the run has ended already. AdviceKillElsewhere: it belongs to no
	// job. Both with the run.
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
	ErrUnreachable: AdviceUnreachable,
	ErrTLS:         AdviceTLS,
	ErrLogin:       AdviceLogin,
	ErrNoDatabase:  AdviceNoDatabase,
	ErrStandby:     AdviceStandby,
	ErrVolatile:    AdviceVolatile,
}

// An Error is an error of a history.
type Error struct {
	// Op is the operation: "open", "record", "read", "prune", "change".
	Op string
	// Path of the history file, or the address of its database without a password.
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

// Unwrap returns those of Kind and Err that are set.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Advice returns the code for Kind; none if the operating system refused a file, see
// Hint.
func (e *Error) Advice() (code string, args []any) {
	switch {
	case errors.Is(e.Err, ErrNotOwned):
		return advice[ErrNotOwned], nil
	case e.Hint() != "":
		return "", nil
	}
	return advice[e.Kind], nil
}

// Hint returns what to do about the operating system's refusal of a file; empty if that
// is unknown, or there is an Advice.
func (e *Error) Hint() string {
	if errors.Is(e.Err, ErrNotOwned) || e.Kind != nil && !errors.Is(e.Kind, ErrReadOnly) && !errors.Is(e.Kind, ErrUnreadable) {
		return ""
	}
	if e.Kind != nil && errors.Is(errno.Of(e.Err), fs.ErrPermission) {
		return ""
	}
	return errno.Hint(e.Err)
}

// A NoRunError says that the history has no run that Ref names.
type NoRunError struct {
	Ref string
	// Newest is the highest run number in the history, 0 if it is empty.
	Newest int64
}

func (e *NoRunError) Error() string { return fmt.Sprintf("no run %q in the history", e.Ref) }

// Advice returns the code that says which runs exist.
func (e *NoRunError) Advice() (code string, args []any) {
	if e.Newest == 0 {
		return AdviceNoRuns, nil
	}
	return AdviceNoRun, []any{e.Newest}
}

// A RefError says that Ref is no valid name of a run.
type RefError struct{ Ref string }

func (e *RefError) Error() string { return fmt.Sprintf("%q is not a run", e.Ref) }

// Advice returns the code that says what is.
func (e *RefError) Advice() (code string, args []any) { return AdviceRef, nil }

// A JobExistsError says that a job of that name exists.
type JobExistsError struct{ Name string }

func (e *JobExistsError) Error() string { return fmt.Sprintf("job %q already exists", e.Name) }

// Advice returns the code that says how to show the job.
func (e *JobExistsError) Advice() (code string, args []any) { return AdviceJobExists, []any{e.Name} }

// A JobChangedError says that the job changed since the caller read it.
type JobChangedError struct {
	Name string
	// Version is the job's present version, made By a user, At a time.
	Version int64
	By      string
	At      time.Time
}

func (e *JobChangedError) Error() string {
	return fmt.Sprintf("job %q was changed by %s, to version %d", e.Name, e.By, e.Version)
}

// Advice returns the code that says how to go on.
func (e *JobChangedError) Advice() (code string, args []any) {
	return AdviceJobChanged, []any{e.Name}
}

// A NoJobError says that no job has that name.
type NoJobError struct {
	Name string
	// Nearest is the most similar name; empty: none is similar.
	Nearest string
}

func (e *NoJobError) Error() string { return fmt.Sprintf("no job %q", e.Name) }

// Advice returns the code that names Nearest, or the list of jobs.
func (e *NoJobError) Advice() (code string, args []any) {
	if e.Nearest == "" {
		return AdviceNoJob, nil
	}
	return AdviceNearJob, []any{e.Nearest}
}

// A KillError says why a run cannot be stopped.
type KillError struct {
	Run    int64
	Reason string
	advice string // its code
}

func (e *KillError) Error() string { return fmt.Sprintf("cannot stop run %d: %s", e.Run, e.Reason) }

// Advice returns the code that says what to do instead.
func (e *KillError) Advice() (code string, args []any) {
	return e.advice, []any{e.Run}
}

// noAdvice is embedded in errors about the content of the history whose text says what
// to do.
type noAdvice struct{}

// Advice returns no code.
func (noAdvice) Advice() (code string, args []any) { return "", nil }
