package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tutti/fanout"
	"tutti/store"
)

// toldOf is what a sink received about each host, without what Follow does not promise to
// keep: the order of the streams of an attempt, and the pieces of output. Times are those
// at which this test makes hosts durable.
func toldOf(events []fanout.Event) map[string][]string {
	out := map[string][]string{}
	streams := map[string]*[2]string{}
	for _, e := range events {
		if e.Target == nil {
			out[""] = append(out[""], fmt.Sprintf("%d %d", e.Kind, e.Number))
			if e.Summary != nil {
				out[""] = append(out[""], fmt.Sprintf("%+v", *e.Summary))
			}
			continue
		}
		name := e.Target.Name
		if streams[name] == nil {
			streams[name] = &[2]string{}
		}
		said := streams[name]
		switch {
		case e.Omitted > 0:
			said[e.Stream] += fmt.Sprintf("<%d missing, to %d>", e.Omitted, e.Number)
		case e.Kind == fanout.Output:
			said[e.Stream] += string(e.Data)
		default:
			if e.Kind != fanout.TargetStarted {
				out[name] = append(out[name], "stdout "+said[0], "stderr "+said[1])
				*said = [2]string{}
			}
			text := fmt.Sprintf("%d of attempt %d: number %d, %s", e.Kind, e.Attempt, e.Number, e.Address)
			if e.Result != nil {
				text += fmt.Sprintf(": %s %d %d", e.Result.Outcome, e.Result.StdoutBytes, e.Result.StderrBytes)
			}
			out[name] = append(out[name], text)
		}
	}
	return out
}

// mixed is the events of a run with those of its hosts in turns.
func mixed(rng *rand.Rand, events []fanout.Event) []fanout.Event {
	byHost := map[int][]fanout.Event{}
	var order []int
	for _, e := range events[1 : len(events)-1] {
		byHost[e.Target.Index] = append(byHost[e.Target.Index], e)
		order = append(order, e.Target.Index)
	}
	rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	out := events[:1:1]
	for _, i := range order {
		out, byHost[i] = append(out, byHost[i][0]), byHost[i][1:]
	}
	return append(out, events[len(events)-1])
}

// TestFollow: a follower of a run gets of each host what a replay sends afterwards,
// whenever the follower looks, and whatever is left out of the record.
func TestFollow(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			s := openTest(t, tempPath(t))
			p := testPlan(numbered(1 + rng.IntN(5))...)
			r := begin(t, s, p, store.RunInfo{RecordLimit: []int64{0, -1, 100, 5000}[rng.IntN(4)]})
			wake := make(chan struct{})
			var events []fanout.Event
			done := make(chan error, 1)
			go func() {
				w := newFollowed(s.History, r.RunID())
				defer w.close()
				done <- store.Follow(t.Context(), w, store.Filter{}, fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
					e.Data = slices.Clone(e.Data)
					events = append(events, e)
					return nil
				}), wake)
			}()
			wake <- struct{}{} // it has looked once
			for _, e := range mixed(rng, script(rng, &p)) {
				handle(t, r, e)
				if e.Target != nil && e.Kind != fanout.TargetFinished && rng.IntN(6) == 0 {
					if err := r.Starting(t.Context(), *e.Target, e.Attempt, fmt.Sprintf("10.0.0.%d:22", e.Target.Index)); err != nil { // all of it is on disk now
						t.Fatal(err)
					}
					wake <- struct{}{}
					wake <- struct{}{} // it has looked once more since
				}
			}
			closeRecorder(t, r)
			close(wake) // it looks as often as it can
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			want := toldOf(replayed(t, s, r.RunID(), store.Filter{}))
			got := toldOf(events)
			for host := range want {
				if !slices.Equal(got[host], want[host]) {
					t.Errorf("%s:\ngot  %q\nwant %q", host, got[host], want[host])
				}
			}
			if len(got) != len(want) {
				t.Errorf("got %d hosts, want %d", len(got), len(want))
			}
		})
	}
}

// A follower of a run whose process died gets what is certain, also in a history that
// it may only read.
func TestFollowCutOff(t *testing.T) {
	path := tempPath(t)
	s := openTest(t, path)
	p := testPlan("a", "b")
	r := begin(t, s, p, store.RunInfo{})
	handle(t, r, fanout.Event{Kind: fanout.RunStarted, Time: at(0), Plan: &p})
	if err := r.Starting(t.Context(), p.Targets[0], 1, "10.0.0.1:22"); err != nil {
		t.Fatal(err)
	}
	s.locks.path += ".gone" // where no process holds the run
	var events []fanout.Event
	err := s.Follow(t.Context(), r.RunID(), store.Filter{}, fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
		events = append(events, e)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	var ends []string
	for _, e := range events {
		if e.Kind == fanout.TargetFinished {
			ends = append(ends, e.Target.Name+" "+e.Result.Outcome.String())
		}
	}
	if want := []string{"a lost", "b skipped"}; !slices.Equal(ends, want) {
		t.Errorf("got %q, want %q", ends, want)
	}
	if last := events[len(events)-1]; last.Kind != fanout.RunFinished || !last.Summary.Ended.IsZero() || last.Summary.Counts[fanout.Lost] != 1 {
		t.Errorf("got %+v, want a run that was cut off", last)
	}
}

// Following ends with its context, and its sink.
func TestFollowEnds(t *testing.T) {
	s := openTest(t, tempPath(t))
	r := begin(t, s, testPlan("a"), store.RunInfo{})
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := s.Follow(ctx, r.RunID(), store.Filter{}, fanout.SinkFunc(func(context.Context, fanout.Event) error {
		cancel(gone)
		return nil
	}))
	if !errors.Is(err, gone) {
		t.Errorf("got %v, want the cause", err)
	}
	full := errors.New("full")
	err = s.Follow(t.Context(), r.RunID(), store.Filter{}, fanout.SinkFunc(func(context.Context, fanout.Event) error { return full }))
	if !errors.Is(err, full) {
		t.Errorf("got %v, want that of the sink", err)
	}
	if err := s.Follow(t.Context(), 99, store.Filter{}, nil); !errors.As(err, new(*store.NoRunError)) {
		t.Errorf("got %v, want no run", err)
	}
}

// States are how far hosts are.
func TestStates(t *testing.T) {
	s := openTest(t, tempPath(t))
	p := testPlan("a", "b", "c")
	r := begin(t, s, p, store.RunInfo{})
	handle(t, r, hostEvents(&p, 1, "hi\n", 3)...)
	if err := r.Starting(t.Context(), p.Targets[0], 1, "10.0.0.1:22"); err != nil {
		t.Fatal(err)
	}
	got, err := s.States(t.Context(), r.RunID())
	if err != nil || len(got) != 3 {
		t.Fatalf("got %+v, %v", got, err)
	}
	b := got[1]
	if !b.Ended || b.Outcome != fanout.Failed || b.ExitCode != 3 || b.StdoutBytes != 3 || b.Attempts != 1 || b.Duration == 0 {
		t.Errorf("got %+v, want how b ended", b)
	}
	want := []store.HostState{{Attempts: 1, Started: true, ExitCode: store.NoExit}, {Position: 2, ExitCode: store.NoExit}}
	if got[0] != want[0] || got[2] != want[1] {
		t.Errorf("got %+v and %+v, want %+v", got[0], got[2], want)
	}
}

// late is a history to which is written between what a follower reads.
type late struct {
	*followed
	between func()
}

func (l *late) Hosts(ctx context.Context, positions []int) (map[int]*store.RecordedHost, error) {
	hosts, err := l.followed.Hosts(ctx, positions)
	l.between()
	return hosts, err
}

// The end of an attempt, written while a follower reads what it said so far, does not get
// in front of what is missing before it.
func TestFollowKeepsTheGap(t *testing.T) {
	s := openTest(t, tempPath(t))
	p := testPlan("a")
	target := &p.Targets[0]
	r := begin(t, s, p, store.RunInfo{RecordLimit: 100})
	durable := func() {
		if err := r.Starting(t.Context(), *target, 1, "10.0.0.1:22"); err != nil {
			t.Error(err)
		}
	}
	say := func(text string) {
		handle(t, r, fanout.Event{Kind: fanout.Output, Time: at(20), Target: target, Attempt: 1, Data: []byte(text)})
		durable()
	}
	wake, looks := make(chan struct{}), 0
	w := &late{followed: newFollowed(s.History, r.RunID())}
	defer w.close()
	w.between = func() {
		if looks++; looks == 2 {
			result := finished(*target, 1, 0, 400, 0)
			handle(t, r, fanout.Event{Kind: fanout.TargetFinished, Time: at(50), Target: target, Attempt: 1, Result: result}, endEvent(result))
			closeRecorder(t, r)
		}
	}
	say(strings.Repeat("h", 200))
	var events []fanout.Event
	done := make(chan error, 1)
	go func() {
		done <- store.Follow(t.Context(), w, store.Filter{}, fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
			events = append(events, e)
			return nil
		}), wake)
	}()
	wake <- struct{}{}
	say(strings.Repeat("t", 200))
	wake <- struct{}{}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, want := toldOf(events)["a"], toldOf(replayed(t, s, r.RunID(), store.Filter{}))["a"]; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
