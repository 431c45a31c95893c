package daemon_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/daemon"
	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/sdnotify"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/server/live"
	"tutti/store"
	"tutti/store/sqlite"
)

// A rig is a fleet of one host, web, and a history of its jobs.
type rig struct {
	dir     string
	env     *runner.Env
	history *runner.History
	store   store.Store
	// endpoint is where the host is reached.
	endpoint func() (address string, port int)
	// visits receives for each command that the host gets.
	visits chan string
	// log gets the messages of the daemon.
	log chan string
}

// newRig returns a rig whose host runs commands by exec, after a send to visits.
func newRig(t *testing.T, exec func(*fleet.Session) fleet.Exit) *rig {
	t.Helper()
	r := &rig{dir: t.TempDir(), visits: make(chan string, 100), log: make(chan string, 1000)}
	key := fleet.NewKey()
	f, err := fleet.Start(fleet.Options{
		Authorized: []gossh.PublicKey{key.PublicKey()},
		Hosts:      []fleet.Host{{Name: "web"}},
		Exec: fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
			r.visits <- s.Command
			return exec(s)
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	r.endpoint = func() (string, int) { return f.Endpoint("web") }
	addr, port := r.endpoint()
	r.write(t, "known_hosts", string(f.KnownHosts()))
	r.write(t, "hosts.yaml", fmt.Sprintf("defaults: {user: tester, identity: id_ed25519}\nhosts:\n  web: {address: %s, port: %d}\n", addr, port))
	if err := key.WriteFile(filepath.Join(r.dir, "id_ed25519"), ""); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{
		"TUTTI_INVENTORY":   filepath.Join(r.dir, "hosts.yaml"),
		"TUTTI_KNOWN_HOSTS": filepath.Join(r.dir, "known_hosts"),
	}
	lookup := func(key string) (string, bool) { value, ok := vars[key]; return value, ok }
	r.env = &runner.Env{Getenv: func(key string) string { return vars[key] }, LookupEnv: lookup, Home: r.dir, WorkDir: r.dir, User: "tester"}
	r.history = &runner.History{
		Path: filepath.Join(r.dir, "history.db"), Getenv: r.env.Getenv, Warn: func(text string) { t.Log(text) },
		Retention: store.DefaultRetention(), Obey: true,
	}
	t.Cleanup(r.history.Close)
	if r.store, err = sqlite.Open(t.Context(), r.history.Path, store.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.store.Close() })
	return r
}

func (r *rig) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// add adds a job.
func (r *rig) add(t *testing.T, name, schedule string, change func(*scheduler.Job)) {
	t.Helper()
	job := scheduler.NewJob(name, "UTC")
	job.Schedules, job.Selector, job.Command = []string{schedule}, "web", "echo "+name
	job.Options["ssh_config"] = []string{"none"}
	if change != nil {
		change(&job)
	}
	if _, err := r.store.AddJob(t.Context(), job, "tester", time.Now()); err != nil {
		t.Fatal(err)
	}
}

// A running daemon.
type running struct {
	*daemon.Daemon
	stop func()
	done chan error
}

// start joins and runs a daemon, which prepare changes before it runs.
func (r *rig) start(t *testing.T, c daemon.Config, prepare ...func(*daemon.Daemon)) *running {
	t.Helper()
	c.Env, c.History, c.Version, c.Logger = r.env, r.history, "1.2.3", slog.New(handler{r.log})
	d, err := daemon.Join(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(d)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := fmt.Errorf("%w by TERM", fanout.ErrSignal)
	run := &running{Daemon: d, stop: func() { cancel(stopped) }, done: make(chan error, 1)}
	go func() { run.done <- d.Run(ctx) }()
	return run
}

// wait waits for the end of Run, and leaves.
func (d *running) wait(t *testing.T) {
	t.Helper()
	if err := errors.Join(<-d.done, d.Close()); err != nil {
		t.Error(err)
	}
}

// handler sends the messages, with the attributes problem and error.
type handler struct{ messages chan<- string }

func (h handler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (h handler) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h handler) WithGroup(string) slog.Handler                { return h }
func (h handler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "problem" || a.Key == "error" || a.Key == "bad" {
			text += ": " + a.Value.String()
		}
		return true
	})
	h.messages <- text
	return nil
}

// logged waits for a message that begins with text.
func (r *rig) logged(t *testing.T, text string) {
	t.Helper()
	for timeout := time.After(30 * time.Second); ; {
		select {
		case got := <-r.log:
			t.Log(got)
			if strings.HasPrefix(got, text) {
				return
			}
		case <-timeout:
			t.Fatalf("never logged: %s", text)
		}
	}
}

// await waits until cond holds.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(2 * time.Minute); !cond(); {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("%s: it did not happen", what)
		}
	}
}

func ok(*fleet.Session) fleet.Exit { return fleet.Exit{} }

// A daemon whose row was deleted from the history registers again: it fires, delivers
// and is ready as before.
func TestDaemonRegistersAgain(t *testing.T) {
	r := newRig(t, ok)
	r.add(t, "tick", "@every 1s", func(j *scheduler.Job) {
		j.Notify = scheduler.Notify{On: []scheduler.NotifyEvent{scheduler.OnAlways}, Command: "cat > " + filepath.Join(r.dir, "notified")}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := r.start(t, daemon.Config{StopTimeout: time.Minute, Listener: l})
	<-r.visits
	db, err := sql.Open("sqlite3", r.history.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the test is over
	if _, err := db.ExecContext(t.Context(), "DELETE FROM daemons; DELETE FROM notifications"); err != nil {
		t.Fatal(err)
	}
	r.logged(t, "registration lost; registered again")
	for range 2 {
		<-r.visits
	}
	daemons, err := r.store.Daemons(t.Context())
	if err != nil || len(daemons) != 1 || daemons[0].ID != 2 {
		t.Errorf("got %+v, %v, want the new registration", daemons, err)
	}
	await(t, "a notification", func() bool {
		rows, err := r.store.Firings(t.Context(), store.FiringQuery{})
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(rows, func(row store.FiringRow) bool { return len(row.Notifications) > 0 })
	})
	if got := get(t, l, "/readyz"); got != "ok\n" {
		t.Errorf("/readyz: got %s", got)
	}
	d.stop()
	d.wait(t)
	if daemons, err := r.store.Daemons(t.Context()); err != nil || len(daemons) > 0 {
		t.Errorf("got %+v, %v, want none", daemons, err)
	}
}

// A daemon fires its jobs, serves its pages, tells the service manager, and has
// recorded every run when it is stopped.
func TestDaemonFires(t *testing.T) {
	r := newRig(t, ok)
	r.add(t, "tick", "@every 1s", nil)
	r.add(t, "broken", "@at 2050-06-01T12:00:00Z", func(j *scheduler.Job) { j.Selector = "app" })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	told, manager := listenManager(t, r.dir)
	d := r.start(t, daemon.Config{StopTimeout: time.Minute, KeepConnections: time.Minute, Listener: l, Manager: manager})
	for range 2 {
		if command := <-r.visits; command != "echo tick" {
			t.Errorf("got %q", command)
		}
	}
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ok\n", "/metrics": `tutti_build_info{goversion=`} {
		if got := get(t, l, path); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %q", path, got, want)
		}
	}
	d.Reload()
	r.logged(t, `job would fail: "app" `)
	r.logged(t, "reloaded: 1")
	d.stop()
	d.wait(t)
	if got := told(); !strings.HasPrefix(got, "READY=1|RELOADING=1|READY=1|STOPPING=1\nEXTEND_TIMEOUT_USEC=90000000") {
		t.Errorf("the service manager was told %q", got)
	}
	runs, err := r.store.Runs(t.Context(), store.Query{})
	if err != nil || len(runs) < 2 {
		t.Fatalf("got %d runs, %v", len(runs), err)
	}
	for _, run := range runs {
		if run.State != store.Finished || run.Job != "tick" || run.Summary.Counts[fanout.OK] != 1 {
			t.Errorf("run %d: got %+v", run.ID, run)
		}
	}
	if daemons, err := r.store.Daemons(t.Context()); err != nil || len(daemons) != 0 {
		t.Errorf("got %d daemons, %v: it has not left", len(daemons), err)
	}
}

// nowhere is a history that follows no run.
type nowhere struct{ store.Store }

func (nowhere) Follow(context.Context, int64, store.Filter, fanout.Sink) error {
	return errors.New("this process executes the run")
}

// Clients see the run of a job while the daemon executes it, without its history.
func TestDaemonRunsAreLive(t *testing.T) {
	gate, open := context.WithCancel(t.Context())
	defer open()
	r := newRig(t, func(s *fleet.Session) fleet.Exit {
		<-gate.Done()
		return fleet.Exit{}
	})
	r.add(t, "slow", "@at 2050-06-01T12:00:00Z", nil)
	hubs := &live.Hubs{}
	defer hubs.Close()
	d := r.start(t, daemon.Config{Live: hubs})
	if _, err := r.store.RequestFiring(t.Context(), "slow", "tester", time.Now()); err != nil {
		t.Fatal(err)
	}
	<-r.visits
	streams := &live.Streams{Hubs: hubs, History: nowhere{r.store}}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		streams.Run(w, req, store.Run{ID: 1}, nil)
	}))
	defer web.Close()
	resp, err := http.Get(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // the body was read to its end
	lines := bufio.NewScanner(resp.Body)
	until := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("the stream ended without %s: %v", text, lines.Err())
	}
	until(`[0,"running",null,1,0,0]`)
	open()
	until(`[0,"ok",0,1,`)
	until("event: end")
	until(`"state":"finished"`)
	d.stop()
	d.wait(t)
}

// Run closes the listener also when it cannot start.
func TestDaemonClosesItsListener(t *testing.T) {
	r := newRig(t, ok)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d, err := daemon.Join(t.Context(), daemon.Config{Env: r.env, History: r.history, Listener: l})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v: it cannot read the daemons", err, context.Canceled)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing the listener again: got %v, want %v", err, net.ErrClosed)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Running commands have the stop timeout, unless Hurry is called.
func TestDaemonHurries(t *testing.T) {
	r := newRig(t, func(s *fleet.Session) fleet.Exit {
		<-s.Done
		return fleet.Exit{}
	})
	r.add(t, "long", "@at 2050-06-01T12:00:00Z", func(j *scheduler.Job) { j.Options["kill_after"] = []string{"100ms"} })
	d := r.start(t, daemon.Config{StopTimeout: time.Hour})
	if _, err := r.store.RequestFiring(t.Context(), "long", "tester", time.Now()); err != nil {
		t.Fatal(err)
	}
	<-r.visits
	d.stop()
	r.logged(t, "scheduler stopping")
	d.Hurry(fmt.Errorf("%w by TERM", fanout.ErrSignal))
	d.wait(t)
	run, err := r.store.Run(t.Context(), "1", "")
	if err != nil || run.State != store.Finished || run.Summary.Counts[fanout.Canceled] != 1 || run.Summary.Stopped != fanout.StoppedSignal {
		t.Errorf("got %+v, %v", run, err)
	}
}

// listenManager is a service manager that records the messages it gets.
func listenManager(t *testing.T, dir string) (told func() string, m *sdnotify.Manager) {
	t.Helper()
	path := filepath.Join(dir, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if m, err = sdnotify.Dial(func(key string) string {
		return map[string]string{"NOTIFY_SOCKET": path}[key]
	}); err != nil {
		t.Fatal(err)
	}
	return func() string {
		m.Close()
		var all []string
		if err := l.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		for buf := make([]byte, 1000); ; {
			n, err := l.Read(buf)
			if err != nil {
				return strings.Join(all, "|")
			}
			all = append(all, string(buf[:n]))
		}
	}, m
}

// get returns the text of a page.
func get(t *testing.T, l net.Listener, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + l.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
