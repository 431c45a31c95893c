package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/api/event"
	"tutti/fanout"
	"tutti/output"
	"tutti/store"
	"tutti/store/sqlite"
)

// recordRandom records a run on some of 40 hosts, in any order, of which each ended in
// one of a few ways; if cut, its record ends before the run.
func recordRandom(t *testing.T, s store.Store, rnd *rand.Rand, cut bool) store.Run {
	t.Helper()
	noon := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	p := fanout.Plan{Source: "cli", Selector: "all", Task: fanout.Task{Action: fanout.Command("x")}, Policy: fanout.Policy{Fanout: 1}}
	for _, n := range rnd.Perm(40)[:30] {
		p.Targets = append(p.Targets, fanout.Target{Index: len(p.Targets), Name: fmt.Sprintf("h%02d", n)})
	}
	if rnd.IntN(2) == 0 { // as a rule they are in order
		slices.SortFunc(p.Targets, func(a, b fanout.Target) int { return strings.Compare(a.Name, b.Name) })
	}
	r, err := s.Begin(t.Context(), p, store.RunInfo{RecordLimit: 40 << 10})
	if err != nil {
		t.Fatal(err)
	}
	handle := func(e fanout.Event) {
		t.Helper()
		e.Time = noon
		if err := r.Handle(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
	handle(fanout.Event{Kind: fanout.RunStarted, Plan: &p})
	sum := fanout.Summary{Started: noon, Ended: noon.Add(time.Second), Hosts: len(p.Targets)}
	for i := range p.Targets {
		target := &p.Targets[i]
		x := fanout.Result{Target: *target, Attempts: 1, EndedAt: noon}
		if kind := rnd.IntN(6); kind == 0 {
			x.Report.Failure = &fanout.Failure{Op: fanout.OpDial, Message: "connection refused"}
		} else {
			if err := r.Starting(t.Context(), *target, 1, ""); err != nil {
				t.Fatal(err)
			}
			handle(fanout.Event{Kind: fanout.TargetStarted, Target: target, Attempt: 1})
			text := []byte([]string{"", "one\ntwo\n", "one\nthree\n", "\x00\x01", string(make([]byte, 100<<10))}[rnd.IntN(5)])
			for stream := range fanout.Stream(2) {
				if len(text) > 0 && rnd.IntN(3) > 0 {
					handle(fanout.Event{Kind: fanout.Output, Target: target, Attempt: 1, Stream: stream, Data: text})
					if stream == fanout.Stdout {
						x.StdoutBytes = int64(len(text))
					} else {
						x.StderrBytes = int64(len(text))
					}
				}
			}
			x.Report.Started, x.Report.OutputComplete, x.Report.Exit = true, true, &fanout.Exit{Code: uint32(rnd.IntN(2))}
			if kind == 1 {
				x.Report.Exit = &fanout.Exit{Signal: "KILL"}
			}
		}
		if cut && rnd.IntN(4) == 0 {
			continue // its end is not on record
		}
		x.Outcome = x.Report.Outcome()
		sum.Counts[x.Outcome]++
		handle(fanout.Event{Kind: fanout.TargetFinished, Target: target, Attempt: 1, Result: &x})
	}
	if !cut {
		handle(fanout.Event{Kind: fanout.RunFinished, Summary: &sum})
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	run, err := s.Run(t.Context(), fmt.Sprint(r.RunID()), "")
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// TestFeedGroups: to compare a host of each group tells the same as to compare all.
func TestFeedGroups(t *testing.T) {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "history.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		c := &Comparison{Store: s, Before: recordRandom(t, s, rnd, seed%5 == 1), After: recordRandom(t, s, rnd, seed%5 == 2)}
		for name, visible := range map[string]store.Visible{"all": nil, "some": func(host string) bool { return host[2] != '3' }} {
			diff := func(feed func(*output.Comparison) error) (all []event.Diff) {
				t.Helper()
				to := output.NewComparison(output.Options{}, c.Before.ID, c.After.ID)
				defer func() { _ = to.Close() }()
				if err := feed(to); err != nil {
					t.Fatal(err)
				}
				if err := to.Each(func(d event.Diff) error { all = append(all, d); return nil }); err != nil {
					t.Fatal(err)
				}
				return all
			}
			want := diff(func(to *output.Comparison) error {
				pairs, err := c.Pairs(t.Context(), nil)
				if err != nil {
					return err
				}
				if visible != nil {
					pairs = slices.DeleteFunc(pairs, func(p output.HostPair) bool { return !visible(p.Host) })
				}
				return c.Feed(t.Context(), pairs, to)
			})
			got := diff(func(to *output.Comparison) error { return c.FeedGroups(t.Context(), s, visible, to) })
			if !reflect.DeepEqual(got, want) {
				a, b := lines(t, got), lines(t, want)
				for i := range min(len(a), len(b)) {
					if a[i] != b[i] {
						t.Fatalf("seed %d, %s: got %d changes, want %d; the first is\n%s\nand not\n%s", seed, name, len(a), len(b), a[i], b[i])
					}
				}
				t.Errorf("seed %d, %s: got %d changes, want %d", seed, name, len(got), len(want))
			}
		}
	}
}

// lines are forms as JSON.
func lines(t *testing.T, all []event.Diff) (texts []string) {
	t.Helper()
	for _, d := range all {
		data, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(data[:min(len(data), 2000)]))
	}
	return texts
}
