package runner

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/store"
)

// A spy is a view that keeps in which order it is called, and what is on record by
// then.
type spy struct {
	site   *site
	refuse error
	code   int
	calls  []string
}

var _ View = (*spy)(nil)

func (s *spy) note(t context.Context, call string) {
	runs, err := s.site.store.Runs(t, store.Query{})
	if err != nil {
		call += ": " + err.Error()
	}
	for _, r := range runs {
		call += " " + string(r.State)
	}
	s.calls = append(s.calls, call)
}

func (s *spy) Begin(*Decision) ([]fanout.Sink, error) {
	s.note(context.Background(), "begin")
	return []fanout.Sink{fanout.SinkFunc(func(ctx context.Context, e fanout.Event) error {
		if e.Kind == fanout.RunStarted {
			s.note(ctx, "started")
		}
		return nil
	})}, s.refuse
}

func (s *spy) Attend(ctx context.Context) (context.Context, <-chan struct{}, func()) {
	s.calls = append(s.calls, "attend")
	return ctx, nil, func() { s.calls = append(s.calls, "leave") }
}

func (s *spy) Code(fanout.Summary) int { return s.code }

func (s *spy) Finish(ctx context.Context) error {
	s.note(ctx, "finish")
	return nil
}

func (s *site) launch(view View, given ...string) *Launch {
	r := NewRequest()
	for _, g := range append(given, "identity="+filepath.Join(s.env.Home, "key"), "known-hosts="+s.env.Getenv("TUTTI_KNOWN_HOSTS")) {
		name, text, _ := strings.Cut(g, "=")
		if err := r.Set(name, text); err != nil {
			panic(err)
		}
	}
	return &Launch{
		Env: s.env, Request: &r, Lookup: &Lookup{}, View: view, History: s.history,
		Logger: slog.New(slog.DiscardHandler), Warn: func(string) {}, Banner: func(string, string) {},
	}
}

// A run is shown from before it is on record until its record is complete, and its
// exit code can be corrected afterwards.
func TestLaunchTellsItsViewInOrder(t *testing.T) {
	s := newSite(t, fleet.Host{Name: "web1"})
	view := &spy{site: s, code: 7}
	idFile := filepath.Join(s.env.Home, "id")
	l := s.launch(view, "run-id-file="+idFile)
	d, err := l.Decide(t.Context(), "web1", fanout.Task{Action: fanout.Command("true")})
	if err != nil {
		t.Fatal(err)
	}
	err = l.Run(t.Context(), d)
	if exit, ok := errors.AsType[*ExitError](err); !ok || exit.Code != 7 || !OnlyOutcomes(err) {
		t.Errorf("got %v, want the code of the view", err)
	}
	if want := []string{"begin", "attend", "started running", "leave", "finish finished"}; !slices.Equal(view.calls, want) {
		t.Errorf("got %q, want %q", view.calls, want)
	}
	if id, err := os.ReadFile(idFile); err != nil || strings.TrimSpace(string(id)) != strconv.FormatInt(l.RunID(), 10) {
		t.Errorf("got %q, %v, want the number of run %d", id, err, l.RunID())
	}
	if err := l.SetExitCode(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	run, err := s.store.Run(t.Context(), strconv.FormatInt(l.RunID(), 10), "")
	if err != nil || run.ExitCode == nil || *run.ExitCode != 1 {
		t.Errorf("got %v, %v on record, want 1", run.ExitCode, err)
	}
}

// What a view refuses is not recorded, and what cannot be recorded is not run.
func TestLaunchThatIsRefused(t *testing.T) {
	s := newSite(t, fleet.Host{Name: "web1"})
	tests := []struct {
		name    string
		view    *spy
		history *History
		want    func(error) bool
	}{
		{"by the view", &spy{site: s, refuse: os.ErrExist}, s.history, func(err error) bool { return errors.Is(err, os.ErrExist) }},
		{
			"for want of a record", &spy{site: s}, &History{Path: "/dev/null/history.db", Warn: func(string) {}},
			func(err error) bool { return errors.As(err, new(*NoRecordError)) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := s.launch(tt.view)
			d, err := l.Decide(t.Context(), "web1", fanout.Task{Action: fanout.Command("true")})
			if err != nil {
				t.Fatal(err)
			}
			l.History = tt.history
			if err := l.Run(t.Context(), d); !tt.want(err) || l.RunID() != 0 {
				t.Errorf("got run %d, %v", l.RunID(), err)
			}
			if want := []string{"begin"}; !slices.Equal(tt.view.calls, want) {
				t.Errorf("got %q, want %q", tt.view.calls, want)
			}
		})
	}
}
