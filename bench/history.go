package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/sqlite"
)

// commitDelay is what a commit takes longer in 6.5; see store.
const commitDelay = "5ms"

var historyLines = []spec{
	{"6.1", "wall of a large run with history, of one without", times(1.15), func(ctx context.Context, l *lab) (reading, error) {
		f := l.near.of(l.many)
		u, err := l.race(ctx, few(l.repeat), l.tuttiRun(f, []string{"--no-history"}, shortCommand), l.tuttiRun(f, nil, shortCommand))
		if err != nil {
			return reading{}, err
		}
		return reading{ratio(u[1].wall, u[0].wall), fmt.Sprintf("%.2f s against %.2f s for %d hosts", u[1].wall.Seconds(), u[0].wall.Seconds(), l.many)}, nil
	}},
	{"6.2", "tutti history, with many runs on record", atMost(50, "ms"), func(ctx context.Context, l *lab) (reading, error) {
		return l.past.ask(ctx, "history")
	}},
	{"6.3", "tutti show, with many runs on record", atMost(50, "ms"), func(ctx context.Context, l *lab) (reading, error) {
		return l.past.ask(ctx, "show")
	}},
	{"6.4", "the selector run:last:failed, with many runs on record", atMost(50, "ms"), func(ctx context.Context, l *lab) (reading, error) {
		return l.past.ask(ctx, "hosts", "-F", "none", "-i", l.near.of(l.hosts).inventory(), "run:last:failed")
	}},
	{"6.5", "wall of a run whose commits take 5 ms longer, of one whose do not", times(1.1), func(ctx context.Context, l *lab) (reading, error) {
		f := l.near.of(l.hosts)
		plain := l.tuttiRun(f, nil, shortCommand)
		plain.argv[0] = l.slow
		slow := plain
		slow.env = []string{"TUTTI_BENCH_COMMIT_DELAY=" + commitDelay}
		u, err := l.race(ctx, l.repeat, plain, slow)
		if err != nil {
			return reading{}, err
		}
		return reading{ratio(u[1].wall, u[0].wall), fmt.Sprintf("%.2f s against %.2f s for %d hosts", u[1].wall.Seconds(), u[0].wall.Seconds(), l.hosts)}, nil
	}},
	{"6.6", "size of the record of a host that says a line", bar{unit: "bytes"}, func(ctx context.Context, l *lab) (reading, error) {
		path, err := l.past.file(ctx)
		if err != nil {
			return reading{}, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return reading{}, err
		}
		n := l.runs * l.hosts
		return reading{float64(info.Size()) / float64(n), fmt.Sprintf("%.0f MiB for %d results", mib(info.Size()), n)}, nil
	}},
}

// pastRuns are a large history.
type pastRuns struct {
	*testbed
	done memo[string] // its file
}

// ask is how long tutti takes to answer out of a large history.
func (p *pastRuns) ask(ctx context.Context, args ...string) (reading, error) {
	path, err := p.file(ctx)
	if err != nil {
		return reading{}, err
	}
	u, err := p.race(ctx, max(p.repeat, 5), command{
		name: "tutti", argv: append([]string{p.tutti}, args...), env: []string{"TUTTI_HISTORY=" + path}, stdout: p.path("tutti.out"),
	})
	if err != nil {
		return reading{}, err
	}
	return reading{ms(u[0].wall), fmt.Sprintf("%d runs of %d hosts each, %.0f MiB", p.runs, p.hosts, mib(u[0].rss))}, nil
}

// file makes a history of many runs, in a process of its own.
func (p *pastRuns) file(ctx context.Context) (string, error) {
	return p.done.get(func() (string, error) {
		return p.record(ctx, "past.db", p.runs, p.hosts, 0)
	})
}

// record makes a history of so many runs, in a process of its own, and returns its
// path; see historyRole for answers.
func (g *rig) record(ctx context.Context, name string, runs, hosts, answers int) (string, error) {
	g.say("recording %d runs of %d hosts", runs, hosts)
	path := g.path(name)
	_, err := g.measure(ctx, command{name: "history", argv: []string{
		g.self, "history", "-file", path, "-runs", fmt.Sprint(runs), "-hosts", fmt.Sprint(hosts), "-answers", fmt.Sprint(answers),
	}})
	return path, err
}

// historyRole writes a history of runs in which each host says a line and one of
// a hundred fails. The last run is of today, the first of long ago. With answers
// the hosts say so many different lines, and one of fifty another one in each run;
// without it nearly each says a line of its own.
func historyRole(args []string, _ io.Reader, _ io.Writer) (err error) {
	f := flag.NewFlagSet("history", flag.ContinueOnError)
	path := f.String("file", "", "")
	runs := f.Int("runs", 0, "")
	hosts := f.Int("hosts", 0, "")
	answers := f.Int("answers", 0, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	me, err := user.Current()
	if err != nil {
		return err
	}
	ctx := context.Background()
	s, err := sqlite.Open(ctx, *path, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	plan := fanout.Plan{Source: "cli", Selector: "all", Task: fanout.Task{Action: fanout.Command("uptime")}}
	for i := range *hosts {
		plan.Targets = append(plan.Targets, fanout.Target{Index: i, Name: hostName(i)})
	}
	began := time.Now().Add(-time.Duration(*runs) * time.Hour)
	for i := range *runs {
		say := uptime
		if *answers > 0 {
			say = func(host int) string { return kernel(host%*answers, i*(host%50/49)) }
		}
		if err := recordRun(ctx, s, plan, me.Username, began.Add(time.Duration(i)*time.Hour), say); err != nil {
			return err
		}
	}
	return nil
}

// uptime and kernel are what hosts say.
func uptime(host int) string {
	return fmt.Sprintf(" 12:00:00 up %d days, load average: 0.%02d\n", host%97, host%89)
}

func kernel(major, minor int) string { return fmt.Sprintf("Linux 6.%d.%d\n", major, minor) }

// recordRun records one run over the targets of plan that begins at a time, in which
// each host says what say has for its index.
func recordRun(ctx context.Context, s store.Store, plan fanout.Plan, user string, at time.Time, say func(host int) string) error {
	r, err := s.Begin(ctx, plan, store.RunInfo{User: user, ExitCode: func(fanout.Summary) int { return 3 }})
	if err != nil {
		return err
	}
	after := func(d time.Duration) time.Time { return at.Add(d * time.Millisecond) }
	summary := fanout.Summary{Started: at, Ended: after(1000)}
	events := []fanout.Event{{Kind: fanout.RunStarted, Time: at, Plan: &plan}}
	for i := range plan.Targets {
		t := &plan.Targets[i]
		said := say(i)
		result := hostResult(*t, len(said), after)
		summary.Add(result)
		events = append(events,
			fanout.Event{Kind: fanout.TargetStarted, Time: after(40), Target: t, Attempt: 1, Address: "10.0.0.1:22"},
			fanout.Event{Kind: fanout.Output, Time: after(50), Target: t, Attempt: 1, Data: []byte(said)},
			fanout.Event{Kind: fanout.TargetFinished, Time: after(60), Target: t, Attempt: 1, Result: &result},
		)
	}
	events = append(events, fanout.Event{Kind: fanout.RunFinished, Time: after(1000), Summary: &summary})
	for _, e := range events {
		if err := r.Handle(ctx, e); err != nil {
			return errors.Join(err, r.Close())
		}
	}
	return r.Close()
}

func hostResult(t fanout.Target, said int, after func(time.Duration) time.Time) fanout.Result {
	exit := &fanout.Exit{}
	outcome := fanout.OK
	if t.Index%100 == 7 {
		exit.Code, outcome = 1, fanout.Failed
	}
	return fanout.Result{
		Target: t, Outcome: outcome, Attempts: 1, StdoutBytes: int64(said),
		QueuedAt: after(0), BegunAt: after(10), StartedAt: after(40), EndedAt: after(60),
		Report: fanout.Report{
			Exit: exit, Started: true, OutputComplete: true, Address: "10.0.0.1:22",
			Dial: 2 * time.Millisecond, Login: 28 * time.Millisecond, Command: 20 * time.Millisecond,
		},
	}
}
