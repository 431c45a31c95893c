package cmd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/sshdtest"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/sqlite"
)

// A served is a history with jobs for some hosts, that the test looks into.
type served struct {
	*killing
	store   store.Store
	daemons int
	// there is a directory that commands on the hosts can write to.
	there string
}

// serveFleet is a fleet of web0, web1, … with real shells.
func serveFleet(t *testing.T, hosts int) *served {
	t.Helper()
	key, dir := fleet.NewKey(), t.TempDir()
	opts := fleet.Options{Authorized: []gossh.PublicKey{key.PublicKey()}}
	for i := range hosts {
		opts.Hosts = append(opts.Hosts, fleet.Host{Name: fmt.Sprintf("web%d", i)})
	}
	f, err := fleet.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	k := &killing{tb: t, fleet: f, dir: dir, hosts: hosts}
	k.prepare(key, opts.Hosts)
	return newServed(t, k, dir)
}

// serveSSHD is a real sshd, by the name of web0.
func serveSSHD(t *testing.T) *served {
	t.Helper()
	server, dir := sshdtest.Start(t, sshdtest.Options{}), t.TempDir()
	hosts := fmt.Sprintf("defaults: {user: %s, identity: %s}\nhosts:\n  web0: {address: %s, port: %d}\n",
		server.User, server.KeyFile, server.Addr, server.Port)
	if err := os.WriteFile(filepath.Join(dir, "hosts.yaml"), []byte(hosts), 0o600); err != nil {
		t.Fatal(err)
	}
	k := &killing{tb: t, dir: dir, hosts: 1}
	k.setEnv(server.KnownHosts)
	return newServed(t, k, server.Dir)
}

func newServed(t *testing.T, k *killing, there string) *served {
	t.Helper()
	var err error
	if k.program, err = exec.LookPath("tutti"); err != nil { // TestMain's
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), filepath.Join(k.dir, "history.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &served{killing: k, store: s, there: there}
}

// add adds a job that fires when it is asked to only.
func (f *served) add(ctx context.Context, name, command string, change func(*scheduler.Job)) {
	f.tb.Helper()
	job := scheduler.NewJob(name, "UTC")
	job.Schedules, job.Selector, job.Command = []string{"@at 2050-06-01T12:00:00Z"}, "all", command
	job.Options["ssh_config"] = []string{"none"}
	if change != nil {
		change(&job)
	}
	if _, err := f.store.AddJob(ctx, job, "tester", time.Now()); err != nil {
		f.tb.Fatal(err)
	}
}

// fire asks the daemons to run a job.
func (f *served) fire(ctx context.Context, job string) {
	f.tb.Helper()
	if _, err := f.store.RequestFiring(ctx, job, "tester", time.Now()); err != nil {
		f.tb.Fatal(err)
	}
}

// kill asks the daemons to end what runs of a job.
func (f *served) kill(ctx context.Context, job string) {
	f.tb.Helper()
	if _, err := f.store.KillRuns(ctx, store.KillRef{Job: job}, "tester", time.Now()); err != nil {
		f.tb.Fatal(err)
	}
}

// A daemon is a tutti serve in a process of its own.
type daemon struct {
	tb  testing.TB
	cmd *exec.Cmd
	log string // its path
}

// serve starts a daemon, which is killed at the end of the test.
func (f *served) serve(flags ...string) *daemon {
	f.tb.Helper()
	f.daemons++
	d := &daemon{tb: f.tb, log: filepath.Join(f.dir, fmt.Sprintf("daemon%d.log", f.daemons))}
	log, err := os.Create(d.log)
	if err != nil {
		f.tb.Fatal(err)
	}
	defer func() { _ = log.Close() }()                                                              // the daemon has its own
	d.cmd = exec.Command(f.program, append([]string{"serve", "--log-format", "json"}, flags...)...) //nolint:gosec // the program under test
	d.cmd.Env, d.cmd.Stderr = f.env, log
	if err := d.cmd.Start(); err != nil {
		f.tb.Fatal(err)
	}
	f.tb.Cleanup(d.killNow)
	return d
}

// killNow ends the daemon as a crash does.
func (d *daemon) killNow() {
	_ = d.cmd.Process.Kill() // it may have ended
	_ = d.cmd.Wait()         // so it may have been waited for
}

// logged waits for a line of the log in which the attributes have these values,
// given one after the other.
func (d *daemon) logged(attrs ...string) {
	d.tb.Helper()
	eventually(d.tb, fmt.Sprintf("%q in %s", attrs, d.log), func() bool {
		for _, line := range d.lines() {
			if matches(line, attrs) {
				return true
			}
		}
		return false
	})
}

// value waits for a line of the log with the message, and returns the value of
// another attribute in it.
func (d *daemon) value(msg, key string) (value string) {
	d.tb.Helper()
	eventually(d.tb, fmt.Sprintf("%q in %s", msg, d.log), func() bool {
		for _, line := range d.lines() {
			if line["msg"] == msg {
				value = fmt.Sprint(line[key])
				return true
			}
		}
		return false
	})
	return value
}

// lines are those of the log that are whole.
func (d *daemon) lines() (lines []map[string]any) {
	d.tb.Helper()
	data, err := os.ReadFile(d.log)
	if err != nil {
		d.tb.Fatal(err)
	}
	for text := range strings.Lines(string(data)) {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil {
			lines = append(lines, line)
		}
	}
	return lines
}

func matches(got map[string]any, attrs []string) bool {
	for i := 0; i < len(attrs); i += 2 {
		if fmt.Sprint(got[attrs[i]]) != attrs[i+1] {
			return false
		}
	}
	return true
}

// eventually waits for a condition, longer than anything here takes.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("never: %s", what)
		}
	}
}

// file is the path of a file that commands on the hosts see, too.
func (f *served) file(name string) string { return filepath.Join(f.there, name) }

// made waits until commands on the hosts have made files.
func (f *served) made(names ...string) {
	f.tb.Helper()
	for _, name := range names {
		eventually(f.tb, "the file "+name, func() bool {
			_, err := os.Stat(f.file(name))
			return err == nil
		})
	}
}

// counts is how many commands that hold text each host has run.
func (f *served) counts(text string) map[string]int {
	out := map[string]int{}
	for _, r := range f.fleet.Log() {
		if strings.Contains(r.Command, text) {
			out[r.Host]++
		}
	}
	return out
}

func (f *served) wantOutcomes(run, want string) {
	f.tb.Helper()
	got := map[string]string{}
	for name, host := range f.show(run) {
		got[name] = host.Outcome
	}
	if got := fmt.Sprint(got); got != want {
		f.tb.Errorf("run %s: got %s, want %s", run, got, want)
	}
}

// sleeper is a command that says that it is up, and goes on for ever until the
// file go is there.
func (f *served) sleeper() string {
	return fmt.Sprintf(`echo > %[1]s/up.$HOSTNAME; until [ -e %[1]s/go ]; do sleep 0.05; done`, f.there)
}

// TestServeKill: what runs in a daemon is ended at the wish of another process,
// with proof, and the daemon goes on.
func TestServeKill(t *testing.T) {
	t.Run("fleet", func(t *testing.T) { checkServeKill(t, serveFleet(t, 2)) })
	t.Run("sshd", func(t *testing.T) { checkServeKill(t, serveSSHD(t)) })
}

func checkServeKill(t *testing.T, f *served) {
	f.add(t.Context(), "long", f.sleeper(), nil)
	d := f.serve()
	f.fire(t.Context(), "long")
	eventually(t, "the command runs on every host", func() bool {
		up, err := filepath.Glob(f.file("up.*"))
		return err == nil && len(up) == f.hosts
	})
	f.kill(t.Context(), "long")
	d.logged("msg", "job finished", "run", "1", "outcome", "stopped", "reason", "killed by tester")
	results, err := f.store.Results(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != f.hosts {
		t.Errorf("got %d results, want %d", len(results), f.hosts)
	}
	for _, r := range results {
		if r.Outcome != fanout.Canceled || r.Report.Failure == nil || r.Report.Failure.Remote != fanout.RemoteEnded {
			t.Errorf("%s: got %s, %+v, want it canceled, with proof that it has ended", r.Target.Name, r.Outcome, r.Report.Failure)
		}
	}
	if err := os.WriteFile(f.file("go"), nil, 0o644); err != nil { //nolint:gosec // for the user there
		t.Fatal(err)
	}
	f.fire(t.Context(), "long")
	d.logged("msg", "job finished", "run", "2", "outcome", "ok")
}

// TestServeCrash: after kill -9 in the midst of a run the next daemon says what
// is known, and repeats nothing; who waited for that run is killed at restart.
func TestServeCrash(t *testing.T) {
	f := serveFleet(t, 3)
	f.add(t.Context(), "long", f.sleeper(), func(job *scheduler.Job) {
		job.Overlap = scheduler.OverlapQueue
		job.Options["fanout"] = []string{"2"}
	})
	d := f.serve()
	f.fire(t.Context(), "long")
	f.made("up.web0", "up.web1")
	f.fire(t.Context(), "long") // which is to wait
	d.killNow()
	f.kill(t.Context(), "long") // cannot prompt to hear it
	d = f.serve()
	d.logged("msg", "job finished", "run", "1", "outcome", "interrupted")
	f.wantOutcomes("1", "map[web0:lost web1:lost web2:skipped]")

	// The daemon works, and has run nothing of what was before.
	f.add(t.Context(), "short", "echo short", nil)
	f.fire(t.Context(), "short")
	d.logged("msg", "job finished", "job", "short", "run", "2", "outcome", "ok")
	if got, want := fmt.Sprint(f.counts("until")), "map[web0:1 web1:1]"; got != want {
		t.Errorf("got %s commands of the job, want %s", got, want)
	}
	rows, err := f.store.Firings(t.Context(), store.FiringQuery{Job: "long"})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0].Decision != scheduler.Skipped || rows[0].Reason != "killed by tester" || rows[1].RunID != 1 {
		t.Errorf("got firings %+v, want one killed before it began, and run 1", rows)
	}
}

// TestServeQueue: two daemons share the runs that were submitted. After kill -9 of one
// the other executes what that had claimed and not begun; what it had begun is
// interrupted, and no host gets a command twice.
func TestServeQueue(t *testing.T) {
	f := serveFleet(t, 2)
	a, b := f.serve("--max-runs", "1"), f.serve("--max-runs", "1")
	a.logged("msg", "scheduler started")
	b.logged("msg", "scheduler started")
	for range 4 {
		f.submit(t, f.sleeper())
	}
	running := func() (runs []store.Run) {
		runs, err := f.store.Runs(t.Context(), store.Query{Running: true})
		if err != nil {
			t.Fatal(err)
		}
		return runs
	}
	eventually(t, "each daemon executes a run", func() bool {
		return len(running()) == 2 && fmt.Sprint(f.counts("until")) == "map[web0:2 web1:2]"
	})
	if runs := running(); runs[0].Daemon == runs[1].Daemon {
		t.Errorf("got both runs in daemon %d", runs[0].Daemon)
	}
	a.killNow()
	if err := os.WriteFile(f.file("go"), nil, 0o644); err != nil { //nolint:gosec // for the user there
		t.Fatal(err)
	}
	states := map[store.State]int{}
	eventually(t, "all runs have ended", func() bool {
		clear(states)
		runs, err := f.store.Runs(t.Context(), store.Query{})
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range runs {
			states[run.State]++
		}
		return states[store.Queued]+states[store.Running] == 0
	})
	if want := "map[finished:3 interrupted:1]"; fmt.Sprint(states) != want {
		t.Errorf("got %v, want %s", states, want)
	}
	if got, want := fmt.Sprint(f.counts("until")), "map[web0:4 web1:4]"; got != want {
		t.Errorf("got %s commands, want %s", got, want)
	}
}

// submit puts a run on all hosts into the queue.
func (f *served) submit(t *testing.T, command string) {
	t.Helper()
	s := store.Submission{
		Plan: fanout.Plan{Source: "api", Selector: "all", Task: fanout.Task{Action: fanout.Command(command)}},
		Info: store.RunInfo{User: "tester", Principal: "unix:tester", Via: "unix"}, Now: time.Now(),
		Request: store.QueuedRequest{Selector: "all", Command: command},
	}
	for i := range f.hosts {
		s.Plan.Targets = append(s.Plan.Targets, fanout.Target{Index: i, Name: fmt.Sprintf("web%d", i)})
	}
	if _, err := f.store.Queue().Submit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// TestServeRepeats: an idempotent job is run again after a crash on exactly the
// hosts whose result is unknown.
func TestServeRepeats(t *testing.T) {
	f := serveFleet(t, 4)
	f.add(t.Context(), "sure", `[ "$HOSTNAME" = web0 ] || { `+f.sleeper()+`; }`, func(job *scheduler.Job) {
		job.Idempotent, job.TuttiEnv = true, true
		job.Options["fanout"] = []string{"2"}
	})
	d := f.serve()
	f.fire(t.Context(), "sure")
	f.made("up.web1", "up.web2")
	eventually(t, "web0 on record", func() bool { return f.show("1")["web0"].Outcome == "ok" })
	d.killNow()
	if err := os.WriteFile(f.file("go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d = f.serve()
	d.logged("msg", "job finished", "run", "1", "outcome", "interrupted")
	d.logged("msg", "job finished", "run", "2", "outcome", "ok")
	f.wantOutcomes("1", "map[web0:ok web1:lost web2:lost web3:skipped]")
	f.wantOutcomes("2", "map[web1:ok web2:ok web3:ok]")
	if got, want := fmt.Sprint(f.counts("until")), "map[web0:1 web1:2 web2:2 web3:1]"; got != want {
		t.Errorf("got %s commands, want %s", got, want)
	}
	run, err := f.store.Run(t.Context(), "2", "")
	if err != nil {
		t.Fatal(err)
	}
	if run.Source != "job" || run.Job != "sure" || run.RerunOf != 1 {
		t.Errorf("got source %q, job %q, rerun of %d, want a job's rerun of run 1", run.Source, run.Job, run.RerunOf)
	}
}

// TestServeTogether: of two daemons one runs what is asked for, and when it is
// killed the other takes over.
func TestServeTogether(t *testing.T) {
	f := serveFleet(t, 2)
	f.add(t.Context(), "short", "echo short", nil)
	first, second := f.serve(), f.serve()
	first.logged("msg", "scheduler started")
	second.logged("msg", "scheduler started")
	for range 5 {
		f.fire(t.Context(), "short")
	}
	runs := func() (ended int) {
		rows, err := f.store.Firings(t.Context(), store.FiringQuery{Job: "short"})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r.Decision != scheduler.Run || r.Run != nil && r.Run.State == store.Finished {
				ended++
			}
		}
		return ended
	}
	eventually(t, "five firings have come to their end", func() bool { return runs() == 5 })
	first.killNow()
	f.fire(t.Context(), "short")
	eventually(t, "the sixth has, too", func() bool { return runs() == 6 })
}

// TestServeKeepsConnections: as long as they are kept, a firing logs in to no
// host that an earlier one has logged in to.
func TestServeKeepsConnections(t *testing.T) {
	f := serveFleet(t, 2)
	f.add(t.Context(), "short", "echo short", nil)
	d := f.serve("--keep-connections", "1h")
	for run := range 3 {
		f.fire(t.Context(), "short")
		d.logged("msg", "job finished", "run", fmt.Sprint(run+1), "outcome", "ok")
	}
	if got := len(f.fleet.Conns()); got != 2 {
		t.Errorf("got %d connections, want one to each host", got)
	}
}

// TestServePages: a daemon says over HTTP how it is.
func TestServePages(t *testing.T) {
	f := serveFleet(t, 1)
	f.add(t.Context(), "short", "echo short", nil)
	d := f.serve("--metrics", "127.0.0.1:0")
	f.fire(t.Context(), "short")
	d.logged("msg", "job finished", "run", "1", "outcome", "ok")
	address := d.value("serving", "metrics")
	for page, want := range map[string]string{
		"healthz": "ok\n",
		"readyz":  "ok\n",
		"metrics": `tutti_runs_total{job="short",outcome="ok"} 1`,
	} {
		eventually(t, page+" says "+want, func() bool { return strings.Contains(get(t, "http://"+address+"/"+page), want) })
	}
	d.killNow()
	d = f.serve("--metrics", "127.0.0.1:0")
	address = d.value("serving", "metrics")
	want := `tutti_job_last_success_timestamp_seconds{job="short"}`
	eventually(t, "a new daemon knows "+want, func() bool { return strings.Contains(get(t, "http://"+address+"/metrics"), want) })
}

// get is what a page says; empty if it cannot be had.
func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return ""
	}
	return string(body)
}
