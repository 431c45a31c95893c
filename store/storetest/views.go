package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// everyOutcome is a plan, and results of all outcomes for it: two hosts are ok and said
// the same, and two could not be reached for the same reason with different details.
func everyOutcome() (fanout.Plan, []fanout.Result) {
	p := plan("cli", 12)
	ended := func(i int, code uint32) fanout.Result {
		return fanout.Result{Target: p.Targets[i], Attempts: 1, StartedAt: noon, EndedAt: noon.Add(time.Second), Report: fanout.Report{
			Started: true, OutputComplete: true, Address: "10.0.0.1:22", Command: 40 * time.Millisecond, Exit: &fanout.Exit{Code: code},
		}}
	}
	failed := func(i int, started bool, f fanout.Failure) fanout.Result {
		r := fanout.Result{Target: p.Targets[i], Attempts: 1, EndedAt: noon.Add(time.Second), Report: fanout.Report{Started: started, Failure: &f}}
		if started {
			r.StartedAt = noon
		}
		return r
	}
	results := []fanout.Result{
		ended(0, 0), ended(1, 0), ended(2, 0), ended(3, 7),
		ended(4, 0), // by a signal
		failed(5, true, fanout.Failure{Op: fanout.OpTimeout, Message: "timed out after 30s", Remote: fanout.RemoteEnded}),
		failed(6, true, fanout.Failure{Op: fanout.OpConnection, Message: "connection lost", Remote: fanout.RemoteUnknown}),
		failed(7, false, fanout.Failure{Op: fanout.OpHostKey, Message: "host key changed", Detail: "SHA256:abc", Hint: "look"}),
		failed(8, false, fanout.Failure{Op: fanout.OpHostKey, Message: "host key changed", Detail: "SHA256:def", Hint: "look"}),
		failed(9, true, fanout.Failure{Op: fanout.OpCanceled, Message: "stopped", Remote: fanout.RemoteEnded}),
		failed(10, false, fanout.Failure{Op: fanout.OpSudo, Message: "sudo: a password is required", Refused: true}),
		{Target: p.Targets[11], Outcome: fanout.Skipped},
	}
	results[3].Attempts = 2
	results[4].Report.Exit = &fanout.Exit{Signal: "KILL"}
	for i := range results {
		if results[i].Attempts > 0 {
			results[i].Outcome = results[i].Report.Outcome()
		}
	}
	return p, results
}

// saidBy is the output of a host: the first two write the same.
func saidBy(i int) string {
	switch {
	case i < 2:
		return "same\n"
	case i < 7 || i == 9:
		return fmt.Sprintf("this is %d\n", i)
	}
	return ""
}

// tell sends a recorder an attempt of a host: its output and, unless the result is nil,
// its end.
func (b *bed) tell(r *store.Recorder, t *fanout.Target, attempt int, said string, result *fanout.Result) {
	b.Helper()
	ctx := context.WithoutCancel(b.Context())
	if result == nil || result.Report.Started {
		b.must(r.Starting(ctx, *t, attempt, "10.0.0.1:22"))
		b.must(r.Handle(ctx, fanout.Event{Kind: fanout.TargetStarted, Time: noon, Target: t, Attempt: attempt, Address: "10.0.0.1:22"}))
	}
	if said != "" {
		b.must(r.Handle(ctx, fanout.Event{Kind: fanout.Output, Time: noon, Target: t, Attempt: attempt, Data: []byte(said)}))
	}
	if result != nil {
		result.StdoutBytes = int64(len(said))
		b.must(r.Handle(ctx, fanout.Event{Kind: fanout.TargetFinished, Time: noon, Target: t, Attempt: attempt, Result: result}))
	}
}

// recordEvery records the run of everyOutcome, and returns its number.
func (b *bed) recordEvery(info store.RunInfo) int64 {
	b.Helper()
	p, results := everyOutcome()
	r, err := b.Begin(b.Context(), p, info)
	b.must(err)
	b.must(r.Handle(b.Context(), fanout.Event{Kind: fanout.RunStarted, Time: noon, Plan: &p}))
	var s fanout.Summary
	for i := range results {
		x := &results[i]
		if x.Attempts == 2 {
			b.retry(r, &p.Targets[i])
		}
		b.tell(r, &p.Targets[i], x.Attempts, saidBy(i), x)
		s.Add(*x)
	}
	s.Started, s.Ended = noon, noon.Add(time.Minute)
	b.must(r.Handle(b.Context(), fanout.Event{Kind: fanout.RunFinished, Time: s.Ended, Summary: &s}))
	b.must(r.Close())
	return r.RunID()
}

// retry sends a first attempt that another is to follow.
func (b *bed) retry(r *store.Recorder, t *fanout.Target) {
	b.Helper()
	b.tell(r, t, 1, "not yet\n", nil)
	first := fanout.Result{Target: *t, Attempts: 1, Outcome: fanout.Failed, StdoutBytes: 8, Report: fanout.Report{Started: true, Exit: &fanout.Exit{Code: 1}}}
	b.must(r.Handle(b.Context(), fanout.Event{Kind: fanout.TargetRetrying, Time: noon, Target: t, Attempt: 1, Delay: time.Second, Result: &first}))
}

// beginSome begins a run of four hosts that goes on: one has ended, one runs, one is
// between two attempts, one waits. The mark of the second makes that durable.
func (b *bed) beginSome() *store.Recorder {
	b.Helper()
	p := plan("cli", 4)
	r, err := b.Begin(b.Context(), p, store.RunInfo{User: "bob", Note: "going on"})
	b.must(err)
	b.tell(r, &p.Targets[0], 1, "done\n", &fanout.Result{Target: p.Targets[0], Attempts: 1, StartedAt: noon, Report: fanout.Report{Started: true, Exit: &fanout.Exit{}}})
	b.retry(r, &p.Targets[2])
	b.tell(r, &p.Targets[1], 1, "so far\n", nil)
	b.must(r.Starting(b.Context(), p.Targets[1], 1, "10.0.0.1:22"))
	return r
}

func odd(host string) bool { return strings.ContainsAny(host[len(host)-1:], "13579") }

// said is an answer in a few words.
func said(a *store.Answer) string {
	if a == nil {
		return "none"
	}
	if a.Phase != store.HostEnded {
		return string(a.Phase)
	}
	word := a.Outcome.String()
	if a.ExitCode != nil {
		word += fmt.Sprintf(" exit %d", *a.ExitCode)
	}
	for _, x := range []string{a.Signal, string(a.Op), a.Error, a.Hint} {
		if x != "" {
			word += " " + x
		}
	}
	return word
}

// checkSaid compares lines.
func checkSaid(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Hosts with the same answer are one group; hidden hosts are not counted.
func testGroups(t *testing.T, b *bed) {
	run := b.recordEvery(store.RunInfo{User: "ann"})
	tell := func(run int64, visible store.Visible) (lines []string) {
		groups, err := b.Groups(t.Context(), run, visible)
		b.must(err)
		for i := range groups {
			g := &groups[i]
			if g.Sample() != g.Hosts[0] {
				t.Errorf("got the sample %s of %v", g.Sample(), g.Hosts)
			}
			lines = append(lines, fmt.Sprintf("%s: %s", said(&g.Answer), strings.Join(g.Hosts, " ")))
		}
		return lines
	}
	checkSaid(t, "all", tell(run, nil),
		"ok exit 0: web02", "failed exit 7: web03", "failed KILL: web04", "timeout timeout timed out after 30s: web05",
		"lost connection connection lost: web06", "canceled canceled stopped: web09", "failed sudo sudo: a password is required: web10", "skipped: web11",
		"ok exit 0: web00 web01", "unreachable hostkey host key changed look: web07 web08")
	checkSaid(t, "visible", tell(run, odd), "ok exit 0: web01", "failed exit 7: web03", "timeout timeout timed out after 30s: web05",
		"unreachable hostkey host key changed look: web07", "canceled canceled stopped: web09", "skipped: web11")
	going := b.beginSome()
	checkSaid(t, "going on", tell(going.RunID(), nil), "ok exit 0: web00", "running: web01", "retrying: web02", "waiting: web03")
	checkSaid(t, "no run", tell(99, nil))
	b.must(going.Close())
}

// Pages have the matching hosts, in the order of the plan, and each once.
func testResultsPage(t *testing.T, b *bed) {
	run := b.recordEvery(store.RunInfo{})
	tell := func(q store.ResultQuery) (pages []string) {
		if q.Run == 0 {
			q.Run = run
		}
		for {
			page, err := b.ResultsPage(t.Context(), q)
			b.must(err)
			var names []string
			for _, h := range page.Hosts {
				names = append(names, fmt.Sprintf("%s %s", h.Target.Name, h.Phase))
			}
			pages = append(pages, strings.Join(names, ", "))
			if q.From = page.Next; page.Next == 0 {
				return pages
			}
		}
	}
	if pages := tell(store.ResultQuery{Limit: 5}); len(pages) != 3 || strings.Count(strings.Join(pages, ", "), "web") != 12 {
		t.Errorf("got %q, want 5, 5 and 2 hosts", pages)
	}
	if pages := tell(store.ResultQuery{Limit: 6}); len(pages) != 2 {
		t.Errorf("got %q, want 6 and 6 hosts", pages)
	}
	checkSaid(t, "visible", tell(store.ResultQuery{Limit: 4, Visible: odd}), "web01 ended, web03 ended, web05 ended, web07 ended", "web09 ended, web11 ended")
	checkSaid(t, "outcomes", tell(store.ResultQuery{Limit: 2, Outcomes: []fanout.Outcome{fanout.Failed}}), "web03 ended, web04 ended", "web10 ended")
	yes, no := true, false
	checkSaid(t, "not started", tell(store.ResultQuery{Started: &no}), "web07 ended, web08 ended, web10 ended, web11 ended")
	checkSaid(t, "started, by name", tell(store.ResultQuery{Started: &yes, Name: "b0", Hosts: []string{"web06", "web10", "web00", "none"}}), "web00 ended, web06 ended")
	page, err := b.ResultsPage(t.Context(), store.ResultQuery{Run: run, Name: "web03"})
	if err != nil || len(page.Hosts) != 1 || page.Hosts[0].Report.Exit.Code != 7 || page.Hosts[0].OutputHash == "" {
		t.Errorf("got %+v, %v, want all about web03", page, err)
	}
	going := b.beginSome()
	checkSaid(t, "going on", tell(store.ResultQuery{Run: going.RunID(), Phases: []store.Phase{store.HostRunning, store.HostWaiting}, Outcomes: []fanout.Outcome{fanout.OK}}),
		"web00 ended, web01 running, web03 waiting")
	b.must(going.Close())
	earlier, err := b.Attempts(t.Context(), run, "web03")
	if err != nil || len(earlier) != 1 || earlier[0].Delay != time.Second || earlier[0].Result.Report.Exit.Code != 1 {
		t.Errorf("got %+v, %v, want the first attempt of web03", earlier, err)
	}
	if _, err := b.Attempts(t.Context(), run, "none"); !errors.As(err, new(*store.NoHostError)) {
		t.Errorf("got %v, want a *NoHostError", err)
	}
}

// Two runs are compared by the answers of their hosts.
func testCompare(t *testing.T, b *bed) {
	before := b.recordEvery(store.RunInfo{})
	p := plan("cli", 4)
	p.Targets[2].Name = "new"
	p.Targets[0], p.Targets[1] = p.Targets[1], p.Targets[0] // another order
	p.Targets[0].Index, p.Targets[1].Index = 0, 1
	r, err := b.Begin(t.Context(), p, store.RunInfo{})
	b.must(err)
	b.finish(r, p, 0, 0, 0, 7)
	changes, err := b.Compare(t.Context(), before, r.RunID(), func(host string) bool { return host != "web11" })
	b.must(err)
	var lines []string
	for i := range changes {
		c := &changes[i]
		lines = append(lines, fmt.Sprintf("%s → %s: %s %t", said(c.From), said(c.To), strings.Join(c.Hosts, " "), c.SameOutput()))
	}
	slices.Sort(lines)
	checkSaid(t, "changes", lines,
		"canceled canceled stopped → none: web09 false", "failed KILL → none: web04 false", "failed exit 7 → failed exit 7: web03 false",
		"failed sudo sudo: a password is required → none: web10 false", "lost connection connection lost → none: web06 false",
		"none → ok exit 0: new false", "ok exit 0 → none: web02 false", "ok exit 0 → ok exit 0: web00 false", "ok exit 0 → ok exit 0: web01 false",
		"timeout timeout timed out after 30s → none: web05 false", "unreachable hostkey host key changed look → none: web07 web08 false")
	same, err := b.Compare(t.Context(), before, before, nil)
	b.must(err)
	last := same[len(same)-1]
	if len(same) != 10 || len(last.Hosts) != 2 || !same[0].SameOutput() {
		t.Errorf("got %d changes, the last of %v, want a run to be as itself", len(same), last.Hosts)
	}
}

// Runs are paged newest first, and found by their properties.
func testRunsPage(t *testing.T, b *bed) {
	first := b.recordEvery(store.RunInfo{User: "ann", Note: "before the change"})
	for i := range 4 {
		p := plan("rerun", 1)
		p.Selector = fmt.Sprintf("web%d", i%2)
		r, err := b.Begin(t.Context(), p, store.RunInfo{User: "bob", RerunOf: first, Note: fmt.Sprint("n", i)})
		b.must(err)
		b.finish(r, p, 0)
	}
	going := b.beginSome()
	tell := func(q store.Query) (pages []string) {
		for {
			page, err := b.RunsPage(t.Context(), q)
			b.must(err)
			var ids []string
			for _, r := range page.Runs {
				ids = append(ids, fmt.Sprint(r.ID-first))
			}
			pages = append(pages, strings.Join(ids, " "))
			if q.Before = page.Next; page.Next == 0 {
				return pages
			}
		}
	}
	checkSaid(t, "all", tell(store.Query{Limit: 3}), "5 4 3", "2 1 0")
	checkSaid(t, "of a user", tell(store.Query{Limit: 3, User: "bob", Source: "rerun"}), "4 3 2", "1")
	checkSaid(t, "by selector and rerun", tell(store.Query{Selector: "web1", RerunOf: first}), "4 2")
	checkSaid(t, "by note", tell(store.Query{Note: "the change"}), "0")
	checkSaid(t, "by words", tell(store.Query{Words: []string{"uptime", "n2"}}), "3")
	checkSaid(t, "by state", tell(store.Query{States: []store.State{store.Running}}), "5")
	checkSaid(t, "by outcome", tell(store.Query{Outcomes: []fanout.Outcome{fanout.Lost}}), "0")
	checkSaid(t, "by time", tell(store.Query{Since: noon, Until: noon.Add(time.Millisecond)}), "4 3 2 1 0")
	checkSaid(t, "before", tell(store.Query{Until: noon}), "")
	checkSaid(t, "of a job", tell(store.Query{Job: "backup"}), "")
	b.must(going.Close())
}

// Only visible hosts are counted, and a run without any is none.
func testCounts(t *testing.T, b *bed) {
	run := b.recordEvery(store.RunInfo{})
	going := b.beginSome()
	single, err := b.Begin(t.Context(), plan("cli", 1), store.RunInfo{})
	b.must(err)
	b.finish(single, plan("cli", 1), 0)
	counts, err := b.Counts(t.Context(), []int64{run, going.RunID(), single.RunID(), 99}, odd)
	b.must(err)
	want := map[int64]store.HostCounts{
		run:           {Hosts: 6, Hidden: 6, Outcomes: [7]int{fanout.OK: 1, fanout.Failed: 1, fanout.Timeout: 1, fanout.Unreachable: 1, fanout.Canceled: 1, fanout.Skipped: 1}},
		going.RunID(): {Hosts: 2, Hidden: 2},
	}
	if !maps.Equal(counts, want) {
		t.Errorf("got %v, want %v", counts, want)
	}
	b.must(going.Close())
}

// The newest run that tried to reach a host decides its health.
func testHealth(t *testing.T, b *bed) {
	run := func(at time.Time, outcomes ...fanout.Outcome) int64 {
		t.Helper()
		p := plan("cli", len(outcomes))
		r, err := b.Begin(t.Context(), p, store.RunInfo{})
		b.must(err)
		var s fanout.Summary
		for i, o := range outcomes {
			x := fanout.Result{Target: p.Targets[i], Outcome: o, Attempts: 1, EndedAt: at}
			switch o {
			case fanout.OK:
				x.Report = fanout.Report{Started: true, Exit: &fanout.Exit{}}
			case fanout.Unreachable:
				x.Report.Failure = &fanout.Failure{Op: fanout.OpDial, Message: "connection refused"}
			case fanout.Skipped:
				x.Attempts, x.EndedAt = 0, time.Time{}
			}
			b.tell(r, &p.Targets[i], x.Attempts, "", &x)
			s.Add(x)
		}
		s.Started, s.Ended = at, at
		b.must(r.Handle(t.Context(), fanout.Event{Kind: fanout.RunFinished, Time: at, Summary: &s}))
		b.must(r.Close())
		return r.RunID()
	}
	first := run(minute(1), fanout.OK, fanout.OK, fanout.Unreachable, fanout.Skipped)
	run(minute(2), fanout.OK, fanout.Unreachable, fanout.Unreachable, fanout.Skipped)
	run(minute(3), fanout.Skipped, fanout.Unreachable, fanout.Unreachable, fanout.Skipped)
	tell := func(hosts []string) (lines []string) {
		all, err := b.HealthOf(t.Context(), hosts)
		b.must(err)
		for _, h := range all {
			at := func(x time.Time) string {
				if x.IsZero() {
					return "-"
				}
				return fmt.Sprint(x.Sub(noon))
			}
			lines = append(lines, fmt.Sprintf("%s %s last %d reached %s failed %s since %s %s", h.Host, h.State(minute(4), time.Hour), max(h.LastRun-first, -1),
				at(h.Reached.At), at(h.Failed.At), at(h.Since), h.Error))
		}
		return lines
	}
	want := []string{
		"web00 reachable last 2 reached 2m0s failed - since - ", "web01 unreachable last 2 reached 1m0s failed 3m0s since 2m0s connection refused",
		"web02 unreachable last 2 reached - failed 3m0s since 1m0s connection refused", "web03 unknown last 2 reached - failed - since - ",
	}
	checkSaid(t, "all", tell(nil), want...)
	checkSaid(t, "some", tell([]string{"web02", "none", "web00"}), want[2], "none unknown last -1 reached - failed - since - ", want[0])
	all, err := b.HealthOf(t.Context(), []string{"web00"})
	if err != nil || all[0].State(minute(200), time.Hour) != store.HealthUnknown {
		t.Errorf("got %+v, %v, want nothing known after an hour", all, err)
	}
	beat := func(at time.Time, host, failure string) {
		t.Helper()
		x := store.Heartbeat{Host: host, At: at, Failed: failure != ""}
		if x.Failed {
			x.Op, x.Error = fanout.OpDial, failure
		}
		b.must(b.Heartbeats().Beat(t.Context(), []store.Heartbeat{x}, at))
	}
	beat(minute(4), "web00", "no route")
	beat(minute(5), "web00", "refused")
	beat(minute(4), "web01", "")
	beat(minute(2), "web02", "") // a run failed since
	beat(minute(4), "web03", "no route")
	beat(minute(3), "web03", "") // another daemon was slower
	beat(minute(4), "new", "")
	checkSaid(t, "heartbeats", tell([]string{"web00", "web01", "web02", "web03", "new"}),
		"web00 unreachable last 2 reached 2m0s failed 5m0s since 4m0s refused", "web01 reachable last 2 reached 4m0s failed - since - ",
		"web02 unreachable last 2 reached 2m0s failed 3m0s since 3m0s connection refused", "web03 unreachable last 2 reached - failed 4m0s since 4m0s no route",
		"new reachable last -1 reached 4m0s failed - since - ")
	beat(minute(6), "web00", "")
	run(minute(7), fanout.Skipped, fanout.Unreachable)
	all, err = b.HealthOf(t.Context(), []string{"web00", "web01"})
	if err != nil || !all[0].Beat || all[0].Unreachable() || all[1].Beat || !all[1].Unreachable() || !all[1].Reached.At.Equal(minute(4)) || !all[1].Since.Equal(minute(7)) {
		t.Errorf("got %+v, %v, want the newest of each", all, err)
	}
	b.must(b.Heartbeats().Beat(t.Context(), nil, minute(7).Add(store.KeptHeartbeats)))
	if all, err := b.HealthOf(t.Context(), []string{"web00", "new"}); err != nil || !all[0].Reached.At.Equal(minute(2)) || all[1].Last() != (store.Contact{}) {
		t.Errorf("got %+v, %v, want old heartbeats to be forgotten", all, err)
	}
	runs, err := b.HostRuns(t.Context(), "web01", 2)
	if err != nil || len(runs) != 2 || runs[0].Run.ID != first+3 || runs[1].Outcome != fanout.Unreachable || runs[1].Run.Command != "uptime" {
		t.Errorf("got %+v, %v, want the last two of web01", runs, err)
	}
}
