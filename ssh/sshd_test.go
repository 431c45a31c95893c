package ssh

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/sshdtest"
)

// realBench is a client for n targets on one real sshd.
func realBench(tb testing.TB, n int, server sshdtest.Options, change func(*Options)) (*bench, *sshdtest.Server) {
	tb.Helper()
	s := sshdtest.Start(tb, server)
	b := &bench{opts: Options{KnownHosts: []string{s.KnownHosts}, KillAfter: 200 * time.Millisecond, Drain: patience}}
	for i := range n {
		b.opts.Endpoints = append(b.opts.Endpoints, Endpoint{
			Address: s.Addr, Port: s.Port, User: s.User, Identities: []string{s.KeyFile}, IdentitiesOnly: true,
		})
		b.targets = append(b.targets, fanout.Target{
			Index: i, Name: fmt.Sprintf("real%d", i), Limits: fanout.Limits{ConnectTimeout: patience},
		})
	}
	if change != nil {
		change(&b.opts)
	}
	b.Client = newClient(tb, b.opts)
	b.probeTimeout = patience
	return b, s
}

func TestSSHDCommands(t *testing.T) {
	tests := []struct {
		name           string
		command        string
		exit           fanout.Exit
		stdout, stderr string
	}{
		{"streams", "echo out; echo err >&2", fanout.Exit{}, "out\n", "err\n"},
		{"status", "exit 42", fanout.Exit{Code: 42}, "", ""},
		{"not found", "exec 2>/dev/null; no-such-command-here", fanout.Exit{Code: 127}, "", ""},
		{"signal", "kill -TERM $$", fanout.Exit{Signal: "TERM"}, "", ""},
		{"stdin is empty", "cat; echo end", fanout.Exit{}, "end\n", ""},
		{"quoting is the shell's", `printf '%s|' "a b" c`, fanout.Exit{}, "a b|c|", ""},
	}
	b, _ := realBench(t, 1, sshdtest.Options{}, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := b.exec(t.Context(), 0, tt.command)
			r.wantExit(t, tt.exit)
			if r.stdout.String() != tt.stdout || r.stderr.String() != tt.stderr {
				t.Errorf("got stdout %q, stderr %q, want %q, %q", r.stdout.String(), r.stderr.String(), tt.stdout, tt.stderr)
			}
			if !r.OutputComplete {
				t.Error("got incomplete output, want complete")
			}
		})
	}
}

func TestSSHDBackgroundChildIsLeftAlone(t *testing.T) {
	b, _ := realBench(t, 1, sshdtest.Options{}, func(o *Options) { o.Drain = 200 * time.Millisecond })
	r := b.exec(t.Context(), 0, "sleep 100 & echo $!")
	r.wantExit(t, fanout.Exit{})
	pid, err := strconv.Atoi(strings.TrimSpace(r.stdout.String()))
	if err != nil {
		t.Fatalf("got stdout %q, want a process id", r.stdout.String())
	}
	if r.OutputComplete {
		t.Error("got complete output, want incomplete")
	}
	if !running(pid) {
		t.Error("the background child is gone, want it left alone")
	}
	_ = syscall.Kill(pid, syscall.SIGKILL) // it must not outlive the test for long
}

// running reports whether a process exists and has not ended.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil { // it is gone, or the system has no such files
		err := syscall.Kill(pid, 0)
		return err == nil || errors.Is(err, syscall.EPERM)
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

// TestSSHDTimeoutEndsTheCommand: a command whose time is up is ended, and that is proved.
func TestSSHDTimeoutEndsTheCommand(t *testing.T) {
	b, s := realBench(t, 1, sshdtest.Options{}, nil)
	b.targets[0].Limits.Timeout = 500 * time.Millisecond
	r := b.exec(t.Context(), 0, "cd "+s.Dir+" && echo $$ > pids; exec sleep 99")
	r.wantOp(t, fanout.OpTimeout, true)
	if got, want := r.Failure.Remote, fanout.RemoteEnded; got != want {
		t.Errorf("got remote %q, want %q", got, want)
	}
	// It may not have come so far as to write its number.
	file := filepath.Join(s.Dir, "pids")
	if _, err := os.Stat(file); err == nil {
		r.wantEnded(t, file)
	}
}

func pids(t *testing.T, file string) []int {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, f := range strings.Fields(string(data)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if len(pids) == 0 {
		t.Fatalf("%s holds no process ids", file)
	}
	return pids
}

func TestSSHDMaxStartupsDelaysLogins(t *testing.T) {
	const n = 20
	b, _ := realBench(t, n, sshdtest.Options{Config: []string{"MaxStartups 2:100:2"}}, nil)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			r := b.exec(t.Context(), i, "echo x")
			if r.Failure != nil || r.stdout.String() != "x\n" {
				t.Errorf("target %d: got failure %+v, stdout %q, want x", i, r.Failure, r.stdout.String())
			}
		})
	}
	wg.Wait()
}

func TestSSHDMaxSessionsIsDialledAround(t *testing.T) {
	b, s := realBench(t, 2, sshdtest.Options{Config: []string{"MaxSessions 1"}}, nil)
	for range 3 {
		for i := range 2 {
			b.exec(t.Context(), i, "true").wantExit(t, fanout.Exit{})
		}
	}
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			if r := b.exec(t.Context(), i, "sleep 0.2"); r.Failure != nil {
				t.Errorf("target %d: got %+v, want success", i, *r.Failure)
			}
		})
	}
	wg.Wait()
	// The server may tell the end of a session before it counts it as ended;
	// then a target logs in once more, and nothing else happens.
	if got, most := strings.Count(s.Log(), "Accepted publickey"), 8; got < 2 || got > most {
		t.Errorf("got %d logins, want 2 to %d", got, most)
	}
}

func TestSSHDRekeyLosesNothing(t *testing.T) {
	b, _ := realBench(t, 1, sshdtest.Options{Config: []string{"RekeyLimit 256K"}}, nil)
	r := b.exec(t.Context(), 0, "head -c 4000000 /dev/zero")
	r.wantExit(t, fanout.Exit{})
	if got, want := len(r.stdout.String()), 4_000_000; got != want || !r.OutputComplete {
		t.Errorf("got %d bytes, complete %v, want %d, complete", got, r.OutputComplete, want)
	}
}

func TestSSHDBannerIsToldOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "banner")
	if err := os.WriteFile(file, []byte("Keep out\x1b[2J\nof here\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var told []string
	b, _ := realBench(t, 2, sshdtest.Options{Config: []string{"Banner " + file}}, func(o *Options) {
		o.Banner = func(host, text string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, host+": "+text)
		}
	})
	for i := range 2 {
		r := b.exec(t.Context(), i, "echo x")
		r.wantExit(t, fanout.Exit{})
		if got, want := r.stdout.String(), "x\n"; got != want {
			t.Errorf("got stdout %q, want %q", got, want)
		}
	}
	if want := "real0: Keep out"; len(told) != 1 || !strings.HasPrefix(told[0], want) || strings.Contains(told[0], "\x1b") {
		t.Errorf("got banners %q, want one that begins %q, with nothing to obey", told, want)
	}
}

func TestSSHDRefusalNamesKeyAndUser(t *testing.T) {
	_, other := userKey(t)
	b, s := realBench(t, 1, sshdtest.Options{}, func(o *Options) { o.Endpoints[0].Identities = []string{other} })
	r := b.exec(t.Context(), 0, "true")
	r.wantOp(t, fanout.OpLogin, false)
	if !r.Failure.Final || !strings.Contains(r.Failure.Message, other) || !strings.Contains(r.Failure.Message, s.User) {
		t.Errorf("got %+v, want a final failure that names the key and the user", *r.Failure)
	}
}

func TestSSHDAnyKnownKeyTypeIsEnough(t *testing.T) {
	b, s := realBench(t, 1, sshdtest.Options{HostKeys: []string{"rsa", "ecdsa", "ed25519"}}, nil)
	b.exec(t.Context(), 0, "true").wantExit(t, fanout.Exit{})
	known, err := os.ReadFile(s.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(known)) {
		kind := strings.Fields(line)[1]
		t.Run(kind, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "known_hosts")
			if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
				t.Fatal(err)
			}
			opts := b.opts
			opts.KnownHosts = []string{file}
			execOn(t.Context(), newClient(t, opts), b.targets[0], "true").wantExit(t, fanout.Exit{})
		})
	}
}

func TestSSHDEnvironmentReachesTheCommand(t *testing.T) {
	b, _ := realBench(t, 1, sshdtest.Options{}, nil)
	checkEnvironments(t, b)
}
