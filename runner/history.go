package runner

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"tutti/internal/fault"
	"tutti/store"
	"tutti/store/sqlite"
)

// historyPatience is how long a locked history is waited for before a warning.
const historyPatience = time.Second

// A History is the history of one command, or of a daemon: it is opened when it is
// first needed, by one goroutine. Its creator closes it.
type History struct {
	// Path is its file; empty: the default one.
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

// HistoryPath is the path of the default history.
func HistoryPath(getenv func(string) string) (string, error) {
	state, home := getenv("XDG_STATE_HOME"), getenv("HOME")
	switch {
	case getenv("TUTTI_HISTORY") != "":
		return getenv("TUTTI_HISTORY"), nil
	case filepath.IsAbs(state):
		return filepath.Join(state, "tutti", "history.db"), nil
	case filepath.IsAbs(home):
		return filepath.Join(home, ".local", "state", "tutti", "history.db"), nil
	}
	return "", fault.Hintf(errors.New("cannot locate the history: HOME is not set"), "name one with %s FILE or $TUTTI_HISTORY", fault.Key("history"))
}

// Location is the path of the history.
func (h *History) Location() (string, error) {
	if h.Path != "" {
		return h.Path, nil
	}
	return HistoryPath(h.Getenv)
}

// ForRecording opens the history, and makes it if there is none.
func (h *History) ForRecording(ctx context.Context) (store.Store, error) {
	if h.store != nil && h.store.ReadOnly() { // as it was opened for reading only
		h.Close()
		h.store = nil
	}
	return h.open(ctx, sqlite.Open)
}

// ForReading opens a history that exists.
func (h *History) ForReading(ctx context.Context) (store.Store, error) {
	return h.open(ctx, sqlite.OpenExisting)
}

func (h *History) open(ctx context.Context, open func(context.Context, string, store.Options) (*sqlite.Store, error)) (store.Store, error) {
	if h.store != nil {
		return h.store, nil
	}
	path, err := h.Location()
	if err != nil {
		return nil, err
	}
	patience := time.AfterFunc(historyPatience, func() {
		h.Warn("waiting for the history " + path + ", which another process keeps locked")
	})
	defer patience.Stop()
	s, err := open(ctx, path, store.Options{Warn: h.Warn, Obey: h.Obey})
	if err != nil {
		return nil, err
	}
	h.store = s
	return s, nil
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
