package cmd

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"tutti/runner"
	"tutti/store"
)

// historyPatience is how long a locked history is waited for without a word.
const historyPatience = time.Second

// A historyFile is the history of one command, opened when it is first needed.
type historyFile struct {
	app  *app
	path string // as given by flag; empty: the default
	warn func(string)
	// retention is what is kept after a run; the zero value: what is by default.
	retention store.Retention
	// obey: what the history tells to run is going to be run.
	obey bool

	store *store.Store
}

// location is the path of the history.
func (h *historyFile) location() (string, error) {
	getenv := h.app.Getenv
	switch {
	case h.path != "":
		return h.path, nil
	case getenv("TUTTI_HISTORY") != "":
		return getenv("TUTTI_HISTORY"), nil
	case filepath.IsAbs(getenv("XDG_STATE_HOME")):
		return filepath.Join(getenv("XDG_STATE_HOME"), "tutti", "history.db"), nil
	case h.app.home() != "":
		return filepath.Join(h.app.home(), ".local", "state", "tutti", "history.db"), nil
	}
	return "", hint(errors.New("no place for the history: HOME is not set"), "name one with --history FILE or $TUTTI_HISTORY")
}

// sayNone says that there is no history to read, and where it would be.
func (h *historyFile) sayNone() error {
	path, err := h.location()
	if err != nil {
		return err
	}
	return h.app.say("there is no history at " + path + " yet")
}

// named reports whether the command line says where the history is.
func (h *historyFile) named() bool { return h.path != "" }

// forRecording opens the history, and makes it if there is none.
func (h *historyFile) forRecording(ctx context.Context) (*store.Store, error) {
	if h.store != nil && h.store.ReadOnly() { // as it was opened for reading only
		h.close()
		h.store = nil
	}
	return h.open(ctx, store.Open)
}

// forReading opens a history that exists.
func (h *historyFile) forReading(ctx context.Context) (*store.Store, error) {
	return h.open(ctx, store.OpenExisting)
}

func (h *historyFile) open(ctx context.Context, open func(context.Context, string, store.Options) (*store.Store, error)) (*store.Store, error) {
	if h.store != nil {
		return h.store, nil
	}
	path, err := h.location()
	if err != nil {
		return nil, err
	}
	patience := time.AfterFunc(historyPatience, func() {
		h.warn("waiting for the history " + path + ", which another process keeps locked")
	})
	defer patience.Stop()
	s, err := open(ctx, path, store.Options{Warn: h.warn, Obey: h.obey})
	if err != nil {
		return nil, err
	}
	h.store = s
	return s, nil
}

// begin records that l is about to carry d out.
func (h *historyFile) begin(ctx context.Context, d *runner.Decision, l *launching) (*store.Recorder, error) {
	s, err := h.forRecording(ctx)
	if err != nil {
		return nil, hintNoHistory(err, l)
	}
	info := store.RunInfo{
		Inventory:   d.Inventory,
		Note:        l.o.Record.Note,
		Given:       d.Given,
		RerunOf:     d.RerunOf,
		User:        h.app.userName(),
		RecordLimit: l.o.Record.StoreLimit(),
		ExitCode:    l.recordedCode,
	}
	if f := l.firing; f != nil {
		info.Job, info.JobID = f.Job.Name, f.Job.ID
		info.Firing, info.Owner = f.ID, f.owner
		info.ScheduledAt, info.DueAt = f.Firing.At, f.Firing.Due
		info.StopOnError, info.ByHand = true, !l.unattended
	}
	r, err := s.Begin(ctx, d.Plan, info)
	if err != nil {
		return nil, hintNoHistory(err, l)
	}
	return r, nil
}

// hintNoHistory says that there is another way; there is no run of a job without
// a record.
func hintNoHistory(err error, l *launching) error {
	if l.firing != nil {
		return err
	}
	return hint(err, "--no-history runs without a record")
}

// end waits for the last row, and then drops what is too old.
func (h *historyFile) end(ctx context.Context, r *store.Recorder) error {
	if err := r.Close(); err != nil {
		return err
	}
	keep := h.retention
	if keep == (store.Retention{}) {
		keep = store.DefaultRetention()
	}
	_, err := h.store.Prune(context.WithoutCancel(ctx), keep)
	return err
}

func (h *historyFile) close() {
	if h.store != nil {
		_ = h.store.Close() // everything that mattered was committed
	}
}
