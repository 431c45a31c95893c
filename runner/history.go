package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"time"

	"tutti/internal/fault"
	"tutti/store"
	"tutti/store/postgres"
	"tutti/store/sqlite"
)

// historyPatience is how long a locked history is waited for before a warning, and
// serverPatience the server of one.
const (
	historyPatience = time.Second
	serverPatience  = 4 * time.Second
)

// A History is the history of one command, or of a daemon: it is opened when it is
// first needed, by one goroutine. Its creator closes it.
type History struct {
	// Path is its file, or the address of its database; empty: the default one.
	Path string
	// Getenv finds the default one.
	Getenv func(string) string
	// Warn receives what is wrong with it but does not prevent its use.
	Warn func(string)
	// Retention is applied after a run; the zero value: the default.
	Retention store.Retention
	// Obey says that jobs of the history are going to be run. Then opening it fails
	// if other users can write it.
	Obey bool

	store store.Store
}

// HistoryPath is the path, or the address, of the default history.
func HistoryPath(getenv func(string) string) (string, error) {
	if path := getenv("TUTTI_HISTORY"); path != "" {
		return path, nil
	}
	return stateFile(getenv, "history.db")
}

// stateFile is the path of a file in the user's directory for state.
func stateFile(getenv func(string) string, name string) (string, error) {
	state, home := getenv("XDG_STATE_HOME"), getenv("HOME")
	switch {
	case filepath.IsAbs(state):
		return filepath.Join(state, "tutti", name), nil
	case filepath.IsAbs(home):
		return filepath.Join(home, ".local", "state", "tutti", name), nil
	}
	return "", fault.Hintf(errors.New("cannot locate the history: HOME is not set"), "name one with %s FILE or $TUTTI_HISTORY", fault.Key("history"))
}

// Location is the path of the history, or the address of its database, which may have a
// password.
func (h *History) Location() (string, error) {
	if h.Path != "" {
		return h.Path, nil
	}
	return HistoryPath(h.Getenv)
}

// Name is the history for people: its path from the root, or its address without a
// password.
func (h *History) Name() (string, error) {
	location, err := h.Location()
	if err != nil || !postgres.Is(location) {
		return Absolute(location), err
	}
	return postgres.Name(location), nil
}

// Beside is the path, from the root, next to which the files are that belong to the
// history on this machine: its own, or, of a database, one in a directory in the user's for
// state, which is made.
func (h *History) Beside() (string, error) {
	location, err := h.Location()
	if err != nil || !postgres.Is(location) {
		return Absolute(location), err
	}
	sum := sha256.Sum256([]byte(postgres.Name(location)))
	path, err := stateFile(h.Getenv, filepath.Join("postgres-"+hex.EncodeToString(sum[:6]), "history"))
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	return path, err
}

// Shown is a path or an address of a history as it may be shown: without a password.
func Shown(history string) string {
	if !postgres.HasPassword(history) {
		return history
	}
	return postgres.Name(history)
}

// IsDatabase reports whether a history is the address of a database, and no file.
func IsDatabase(history string) bool { return postgres.Is(history) }

// Examine examines a history, and changes nothing; see the engines.
func Examine(ctx context.Context, history string) (store.Condition, error) {
	if postgres.Is(history) {
		return postgres.Examine(ctx, history)
	}
	return sqlite.Examine(ctx, history)
}

// ForRecording opens the history, and makes it if there is none.
func (h *History) ForRecording(ctx context.Context) (store.Store, error) {
	if h.store != nil && h.store.ReadOnly() { // as it was opened for reading only
		h.Close()
		h.store = nil
	}
	return h.open(ctx, engine{sqlite: sqlite.Open, postgres: postgres.Open})
}

// ForReading opens a history that exists.
func (h *History) ForReading(ctx context.Context) (store.Store, error) {
	return h.open(ctx, engine{sqlite: sqlite.OpenExisting, postgres: postgres.OpenExisting})
}

// An engine is how each of the engines opens a history.
type engine struct {
	sqlite   func(context.Context, string, store.Options) (*sqlite.Store, error)
	postgres func(context.Context, string, store.Options) (*postgres.Store, error)
}

// open opens the history at a path, or an address. The result is nil after an error.
func (e engine) open(ctx context.Context, location string, options store.Options) (store.Store, error) {
	if postgres.Is(location) {
		s, err := e.postgres(ctx, location, options)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s, err := e.sqlite(ctx, location, options)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (h *History) open(ctx context.Context, e engine) (store.Store, error) {
	if h.store != nil {
		return h.store, nil
	}
	location, err := h.Location()
	if err != nil {
		return nil, err
	}
	name, err := h.Name()
	if err != nil {
		return nil, err
	}
	if postgres.HasPassword(h.Path) {
		h.Warn("other users of this machine can see the password of the history in the command line: keep it in ~/.pgpass, or in $TUTTI_HISTORY")
	}
	patience := time.AfterFunc(waiting(location), func() {
		h.Warn("waiting for the history " + name + waitsFor(location))
	})
	defer patience.Stop()
	s, err := e.open(ctx, location, store.Options{Warn: h.Warn, Obey: h.Obey})
	if err != nil {
		return nil, err
	}
	h.store = s
	return s, nil
}

// waiting is how long a history is waited for before a warning.
func waiting(location string) time.Duration {
	if postgres.Is(location) {
		return serverPatience
	}
	return historyPatience
}

// waitsFor is what opening a history waits for.
func waitsFor(location string) string {
	if postgres.Is(location) {
		return ", whose server does not answer"
	}
	return ", which another process keeps locked"
}

// end waits for the last row, and then prunes the history.
func (h *History) end(ctx context.Context, r *store.Recorder) error {
	if err := r.Close(); err != nil {
		return err
	}
	keep := h.Retention
	if keep == (store.Retention{}) {
		keep = store.DefaultRetention()
	}
	_, err := h.store.Prune(context.WithoutCancel(ctx), keep)
	return err
}

// Close closes it if it is open.
func (h *History) Close() {
	if h.store != nil {
		_ = h.store.Close() // everything that mattered was committed
	}
}
