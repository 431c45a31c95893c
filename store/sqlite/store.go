package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"tutti/internal/errno"
	"tutti/store"
)

// A Store is an open history file: what happened, what its daemons agree on, and what
// operators do to the jobs of both. Its methods may be called by many goroutines at once.
type Store struct {
	*fileHandle
	*History
	*Ledger
	store.Jobs
	queue *Queue
}

// A History is what happened, see [store.History]: the runs of the file, and what became of
// scheduled times.
type History struct {
	*fileHandle
	views
	runs     *runReader
	states   *states
	repairer *repairer
	// beforeCommit is called before each commit of a recorder; for tests, and
	// see commitHook.
	beforeCommit func()
}

// A Ledger is what the daemons of the file agree on by compare and swap, see
// [scheduler.Ledger].
type Ledger struct {
	*fileHandle
	states *states
	// jobs are those of the store, for the requests of its daemons.
	jobs store.Jobs
}

// Open opens the history at path for recording and reading. It makes the file,
// with mode 0600, and its directory, with mode 0700, as far as they are
// missing; brings an older schema up to date; and marks the runs of processes
// that are gone as interrupted. Errors are of type *Error.
func Open(ctx context.Context, path string, options store.Options) (*Store, error) {
	err := makeFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // a directory that cannot be made
		return nil, &store.Error{Op: "open", Path: path, Err: err}
	case err != nil:
		return nil, &store.Error{Op: "open", Path: path, Kind: kindOfOS(err), Err: err}
	}
	file, err := inspect(path)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil, &store.Error{Op: "open", Path: path, Err: errors.New("a link to a file that does not exist")}
	case err != nil:
		return nil, err
	}
	if file.unwritable != nil {
		return nil, file.unwritable
	}
	return open(ctx, file, options)
}

// OpenExisting is Open for those who only read: it makes nothing, the error
// wraps ErrNotExist if there is no file, and a file that cannot be written, or
// belongs to another user, is opened for reading only. Begin and Prune fail in
// such a store, and runs that were cut off are returned as such without being
// marked in the file.
func OpenExisting(ctx context.Context, path string, options store.Options) (*Store, error) {
	file, err := inspect(path)
	if err != nil {
		return nil, err
	}
	if file.foreign && file.unwritable == nil { // root reads what is another user's
		file.unwritable = file.notOwned()
	}
	s, err := open(ctx, file, options)
	if file.unwritable == nil && readable(err) {
		file.unwritable = err
		return open(ctx, file, options)
	}
	return s, err
}

// readable reports whether a history that err keeps from being opened for writing
// may still be read.
func readable(err error) bool {
	return errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrReadOnly) || errno.OutOfFiles(err)
}

func open(ctx context.Context, file historyFile, options store.Options) (*Store, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Warn == nil {
		options.Warn = func(string) {}
	}
	if options.Obey {
		if err := file.obeyable(); err != nil {
			return nil, err
		}
	}
	h := newFileHandle(file, options)
	s, err := newStore(h)
	if err != nil {
		return nil, err
	}
	if file.exposed {
		options.Warn(fmt.Sprintf("history %s can be read by other users: chmod 600 it", file.path))
	}
	if err := s.connect(ctx); err != nil {
		_ = s.Close() // the first error counts
		return nil, s.openFault(err)
	}
	return s, nil
}

// newStore puts together what works on a file.
func newStore(h *fileHandle) (*Store, error) {
	runs, states := &runReader{dead: make(map[int64]bool)}, &states{}
	queue := &Queue{fileHandle: h, runs: runs}
	s := &Store{
		fileHandle: h,
		History:    &History{fileHandle: h, runs: runs, states: states, repairer: &repairer{fileHandle: h, runs: runs, states: states, queue: queue}},
		Ledger:     &Ledger{fileHandle: h, states: states},
		queue:      queue,
	}
	s.views = views{fileHandle: h, history: s.History, ended: &endedContacts{}}
	s.Jobs = store.NewJobs(s)
	s.Ledger.jobs = s.Jobs
	var err error
	s.beforeCommit, err = commitHook()
	return s, err
}

// connect opens the file, and marks the runs that were cut off.
func (s *Store) connect(ctx context.Context) error {
	if err := s.fileHandle.connect(ctx); err != nil {
		return err
	}
	if s.unwritable != nil {
		return s.repairer.findDead(ctx)
	}
	if err := s.repairer.repairFirst(ctx); err != nil {
		return err
	}
	s.repairer.catchUpEnds(ctx)
	return nil
}
