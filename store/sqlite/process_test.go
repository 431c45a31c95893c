package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"tutti/fanout"
	"tutti/store"
)

// childEnv tells the test binary that it is a process of its own for a test,
// and which.
const childEnv = "TUTTI_STORE_TEST_CHILD"

var children = map[string]func(ctx context.Context, path string) error{
	"hang":  hangInRun,
	"start": startHosts,
	"write": writeRuns,
	"read":  readOnly,
	"serve": serveUntil,
	"claim": claimOne,
}

func TestMain(m *testing.M) {
	if child := children[os.Getenv(childEnv)]; child != nil {
		if err := child(context.Background(), os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// The first test to use them may run under a clock of its own, and what
	// they are made of would belong to it.
	codec, packed, err := store.Encode(make([]byte, 1<<20))
	if err == nil {
		_, _, err = store.Decode(codec, packed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// child prepares a process that runs children[name] on path.
func child(tb testing.TB, name, path string) *exec.Cmd {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), self, path)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

// hangInRun records half a run, says its number, and stays until it is killed.
func hangInRun(ctx context.Context, path string) error {
	s, err := Open(ctx, path, store.Options{})
	if err != nil {
		return err
	}
	p := testPlan("done", "started", "retrying", "waits", "never")
	r, err := s.Begin(ctx, p, store.RunInfo{})
	if err != nil {
		return err
	}
	again := finished(p.Targets[3], 1, 7, 0, 0)
	events := append(hostEvents(&p, 0, "all of it", 0), hostEvents(&p, 1, "half of", 0)[:2]...)
	events = append(events, hostEvents(&p, 2, "first", 0)[:2]...)
	events = append(events,
		fanout.Event{Kind: fanout.TargetRetrying, Time: at(50), Target: &p.Targets[2], Attempt: 1, Result: finished(p.Targets[2], 1, 1, 5, 0)},
		fanout.Event{Kind: fanout.TargetRetrying, Time: at(60), Target: &p.Targets[3], Attempt: 1, Result: again})
	for _, e := range events {
		if err := r.Handle(ctx, e); err != nil {
			return err
		}
	}
	// What was handled before a start that is durable is durable too.
	if err := r.Starting(ctx, p.Targets[2], 2, "10.0.0.3:22"); err != nil {
		return err
	}
	fmt.Println(r.RunID())
	_, err = io.Copy(io.Discard, os.Stdin) // until the parent lets go, or kills
	return err
}

// A hanging process is in the middle of a run.
type hanging struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	run int64
}

func hang(tb testing.TB, path string) *hanging {
	tb.Helper()
	h := &hanging{cmd: child(tb, "hang", path)}
	in, err := h.cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	h.in = in
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { h.kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := fmt.Sscan(line, &h.run); err != nil {
		tb.Fatal(err)
	}
	return h
}

func (h *hanging) kill() {
	_ = h.cmd.Process.Kill() // it may be gone
	_ = h.cmd.Wait()         // it was killed
}

func TestKilledRunTellsTheTruth(t *testing.T) {
	path := tempPath(t)
	dead, alive := hang(t, path), hang(t, path)
	dead.kill()

	var warnings []string
	s, err := Open(t.Context(), path, store.Options{Warn: func(w string) { warnings = append(warnings, w) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	want := fmt.Sprintf("run %d was cut off: 1 awaiting a retry, 2 lost, 1 skipped", dead.run)
	if len(warnings) != 1 || warnings[0] != want {
		t.Errorf("got %q, want %q", warnings, want)
	}
	checkOutcomes(t, s, dead.run, "done ok", "started lost", "retrying lost", "waits failed", "never skipped")
	for host, want := range map[string]string{"done": "all of it", "started": "half of", "retrying": "first", "never": ""} {
		if got := output(t, s, dead.run, host); got != want {
			t.Errorf("output of %s: got %q, want %q", host, got, want)
		}
	}
	states := map[int64]store.State{dead.run: store.Interrupted, alive.run: store.Running}
	for id, want := range states {
		run, err := s.Run(t.Context(), fmt.Sprint(id), "")
		if err != nil {
			t.Fatal(err)
		}
		if run.State != want {
			t.Errorf("run %d: got %s, want %s", id, run.State, want)
		}
		if run.Summary.Ended.IsZero() != (want == store.Running) {
			t.Errorf("run %d: got end %v", id, run.Summary.Ended)
		}
	}
	checkOutcomes(t, s, alive.run, "done ok", "started NULL", "retrying NULL", "waits NULL", "never NULL")
	if run, err := s.Run(t.Context(), "last", ""); err != nil || run.ID != dead.run {
		t.Errorf("last: got %d, %v, want the one that was cut off, %d", run.ID, err, dead.run)
	}
	var ok string
	if err := s.r.QueryRow("PRAGMA integrity_check").Scan(&ok); err != nil || ok != "ok" {
		t.Errorf("integrity: got %q, %v, want ok", ok, err)
	}
}

// startHosts starts one host after the other and says so, until it is killed.
func startHosts(ctx context.Context, path string) error {
	s, err := Open(ctx, path, store.Options{})
	if err != nil {
		return err
	}
	p := testPlan(numbered(10_000)...)
	r, err := s.Begin(ctx, p, store.RunInfo{})
	if err != nil {
		return err
	}
	for i := range p.Targets {
		if err := r.Starting(ctx, p.Targets[i], 1, ""); err != nil {
			return err
		}
		fmt.Println(i)
		for _, e := range hostEvents(&p, i, "output", 0) {
			if err := r.Handle(ctx, e); err != nil {
				return err
			}
		}
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// Whenever the process is killed: a start that was acknowledged as durable is in the
// record, with everything that was handled before.
func TestAcknowledgedStartsSurvive(t *testing.T) {
	for _, last := range []int{0, 1, 50, 333} {
		path := tempPath(t)
		cmd := child(t, "start", path)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = in.Close() }() // the child is dead by then
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() && lines.Text() != fmt.Sprint(last) {
			continue
		}
		_ = cmd.Process.Kill() // it may have failed, which shows below
		_ = cmd.Wait()         // it was killed
		s := openTest(t, path)
		for query, want := range map[string]int{
			"SELECT count(*) FROM results WHERE position <= ? AND started":                     last + 1,
			"SELECT count(*) FROM results WHERE position < ? AND outcome = 'ok'":               last,
			"SELECT count(*) FROM results JOIN output USING (run_id, host) WHERE position < ?": last,
		} {
			var got int
			if err := s.r.QueryRow(query, last).Scan(&got); err != nil || got != want {
				t.Errorf("killed after start %d: %s: got %d, %v, want %d", last, query, got, err, want)
			}
		}
	}
}

// writeRuns records runs as fast as it can.
func writeRuns(ctx context.Context, path string) error {
	s, err := Open(ctx, path, store.Options{Warn: func(w string) { fmt.Fprintln(os.Stderr, w) }})
	if err != nil {
		return err
	}
	for range 10 {
		p := testPlan(numbered(5)...)
		r, err := s.Begin(ctx, p, store.RunInfo{})
		if err != nil {
			return err
		}
		var results []*fanout.Result
		for i := range p.Targets {
			if err := r.Starting(ctx, p.Targets[i], 1, ""); err != nil {
				return err
			}
			events := hostEvents(&p, i, "output\n", 0)
			results = append(results, events[len(events)-1].Result)
			for _, e := range events {
				if err := r.Handle(ctx, e); err != nil {
					return err
				}
			}
		}
		if err := r.Handle(ctx, endEvent(results...)); err != nil {
			return err
		}
		if err := r.Close(); err != nil {
			return err
		}
		if _, err := s.Prune(ctx, store.DefaultRetention()); err != nil {
			return err
		}
	}
	return s.Close()
}

// Processes that make the file together, and record and prune in it at the
// same time, see no error and disturb nothing.
func TestManyProcessesWrite(t *testing.T) {
	path := tempPath(t)
	const processes = 6
	cmds := make([]*exec.Cmd, processes)
	for i := range cmds {
		cmds[i] = child(t, "write", path)
		cmds[i].Stderr = &strings.Builder{}
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, cmd := range cmds {
		err := cmd.Wait()
		if said := cmd.Stderr.(*strings.Builder).String(); err != nil || said != "" {
			t.Errorf("got %v, %q, want no word", err, said)
		}
	}
	s := openTest(t, path)
	// The runs are of a time before the default retention, as far as that goes.
	var seq, open int
	if err := s.r.QueryRow("SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'runs'), (SELECT count(*) FROM runs WHERE state <> 'finished')").
		Scan(&seq, &open); err != nil {
		t.Fatal(err)
	}
	if seq != 10*processes || open != 0 {
		t.Errorf("got %d runs, %d of them not finished, want %d, 0", seq, open, 10*processes)
	}
}
