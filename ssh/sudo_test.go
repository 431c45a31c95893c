package ssh

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// sesame is the password that the sudo of the tests takes.
const sesame = "open sesame"

// sudoBench is a fleet whose hosts have a sudo that behaves as modes say. The
// directory it returns holds a home for each host.
func sudoBench(t *testing.T, modes ...string) (*bench, string) {
	t.Helper()
	bin, err := filepath.Abs("../internal/fleet/testdata/bin")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	dir := t.TempDir()
	hosts := make([]fleet.Host, len(modes))
	for i, mode := range modes {
		name := fmt.Sprintf("h%d", i)
		home := filepath.Join(dir, name)
		if err := os.Mkdir(home, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, "sudo.mode"), []byte(mode), 0o600); err != nil {
			t.Fatal(err)
		}
		hosts[i] = fleet.Host{Name: name, Exec: fleet.Shell(home)}
	}
	// Sudo needs time to get through, also on a busy machine.
	return newBench(t, hosts, func(o *Options) { o.KillAfter = 5 * time.Second }), dir
}

// passwords is how many passwords were given to the sudo of any host.
func passwords(t *testing.T, dir string) int {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "*", "sudo.log"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range logs {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n += strings.Count(string(data), "\n")
	}
	return n
}

func sudo(command, password string) fanout.Task {
	s := &fanout.Sudo{User: "root"}
	if password != "" {
		s.Password = fanout.Secret(password)
	}
	return fanout.Task{Action: fanout.Command(command), Sudo: s}
}

// TestSudoKeepsTheOutputClean: whatever sudo says and asks, the command's output is its own.
func TestSudoKeepsTheOutputClean(t *testing.T) {
	full := sudo(`echo "$USER $A $B"; cat; pwd; echo "$TUTTI_JOB" >&2`, sesame)
	full.Job = &fanout.JobInfo{Name: "nightly"}
	full.Env = []fanout.Variable{{Name: "A", Value: "a"}, {Name: "B", Secret: fanout.Secret("b\nb")}}
	full.Stdin = text("in\nput\n")
	full.Dir = "/"
	asScript := full
	asScript.Action = script("#!/bin/sh\necho \"$USER $A $B\"; cat; pwd; echo \"$TUTTI_JOB\" >&2\n", "/bin/sh")
	for _, mode := range []string{"ask", "nopasswd", "rs", "split", "lecture"} {
		for name, task := range map[string]fanout.Task{"command": full, "script": asScript} {
			t.Run(mode+" "+name, func(t *testing.T) {
				b, dir := sudoBench(t, mode)
				r := b.task(t.Context(), 0, task)
				r.wantExit(t, fanout.Exit{})
				if got, want := r.stdout.String(), "root a b\nb\nin\nput\n/\n"; got != want {
					t.Errorf("got stdout %q, want %q", got, want)
				}
				if got, want := r.stderr.String(), "nightly\n"; got != want {
					t.Errorf("got stderr %q, want %q", got, want)
				}
				want := 1
				if mode == "nopasswd" {
					want = 0
				}
				if got := passwords(t, dir); got != want {
					t.Errorf("got %d passwords, want %d", got, want)
				}
			})
		}
	}
}

// TestOutputThatLooksLikeSudoIsKept: what the command writes is not touched, also if it looks
// like what sudo says.
func TestOutputThatLooksLikeSudoIsKept(t *testing.T) {
	b, _ := sudoBench(t, "ask")
	r := b.task(t.Context(), 0, sudo(`for i in 1 2 3; do printf 'sudo: %s' x >&2; printf ABCDEFGHIJKLMNOPQRSTUVWXYZ >&2; done; exit 7`, sesame))
	r.wantExit(t, fanout.Exit{Code: 7})
	if got, want := r.stderr.String(), strings.Repeat("sudo: xABCDEFGHIJKLMNOPQRSTUVWXYZ", 3); got != want {
		t.Errorf("got stderr %q, want %q", got, want)
	}
}

func TestSudoRefusalSaysWhy(t *testing.T) {
	tests := []struct {
		mode, password, message string
		sent                    int
	}{
		{"ask", "wrong", "password rejected", 1},
		{"onetry", "wrong", "password rejected", 1},
		{"lecture", "wrong", "password rejected", 1},
		{"ask", "", "password required", 0},
		{"denied", sesame, "tester is not in the sudoers file.", 1},
	}
	for _, tt := range tests {
		t.Run(tt.mode+" "+tt.password, func(t *testing.T) {
			b, dir := sudoBench(t, tt.mode)
			r := b.task(t.Context(), 0, sudo("echo ran", tt.password))
			r.wantOp(t, fanout.OpSudo, false)
			if !r.Failure.Final || !strings.HasPrefix(r.Failure.Message, tt.message) {
				t.Errorf("got %+v, want a final failure %q", *r.Failure, tt.message)
			}
			if got := r.stdout.String() + r.stderr.String(); got != "" {
				t.Errorf("got output %q, want none", got)
			}
			if got := passwords(t, dir); got != tt.sent {
				t.Errorf("got %d passwords, want %d", got, tt.sent)
			}
		})
	}
}

// TestWrongPasswordIsTriedOnce: a wrong password locks no account.
func TestWrongPasswordIsTriedOnce(t *testing.T) {
	const n = 8
	for _, mode := range []string{"ask", "onetry"} {
		t.Run(mode, func(t *testing.T) {
			b, dir := sudoBench(t, strings.Split(strings.TrimSpace(strings.Repeat(mode+" ", n)), " ")...)
			var wg sync.WaitGroup
			var mu sync.Mutex
			messages := map[string]int{}
			for i := range n {
				wg.Go(func() {
					r := b.task(t.Context(), i, sudo("true", "wrong"))
					mu.Lock()
					defer mu.Unlock()
					if r.Failure == nil || r.Failure.Op != fanout.OpSudo {
						t.Errorf("target %d: got %+v, want a failure of sudo", i, r.Report)
						return
					}
					messages[strings.TrimRight(r.Failure.Message, "0123456789 hasrefudit")]++
				})
			}
			wg.Wait()
			if got := passwords(t, dir); got != 1 {
				t.Errorf("got %d passwords, want 1", got)
			}
			if len(messages) != 2 {
				t.Errorf("got messages %v, want one host's refusal and the others' reason", messages)
			}
		})
	}
}

// TestProofOfPasswordGoesOn: a host that is silent about the password keeps the
// others waiting only as long as it is there.
func TestProofOfPasswordGoesOn(t *testing.T) {
	t.Run("stopped", func(t *testing.T) { proofGoesOn(t, false) })
	t.Run("lost", func(t *testing.T) { proofGoesOn(t, true) })
}

func proofGoesOn(t *testing.T, lost bool) {
	b, dir := sudoBench(t, "hang", "ask", "ask", "nopasswd")
	hung := make(chan *record, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	go func() { hung <- b.task(ctx, 0, sudo("true", sesame)) }()
	eventually(t, "the first password is sent", func() bool { return passwords(t, dir) == 1 })

	b.task(t.Context(), 3, sudo("true", sesame)).wantExit(t, fanout.Exit{}) // needs no proof
	var wg sync.WaitGroup
	for i := 1; i <= 2; i++ {
		wg.Go(func() {
			if r := b.task(t.Context(), i, sudo("true", sesame)); r.Exit == nil || !r.Exit.Success() {
				t.Errorf("target %d: got %+v, want success", i, r.Report)
			}
		})
	}
	eventually(t, "the others wait", func() bool { return b.sudoGate.waiting() })
	if got := passwords(t, dir); got != 1 {
		t.Errorf("got %d passwords before the first was answered, want 1", got)
	}
	if lost {
		b.fleet.Cut("h0", fleet.Reset)
		(<-hung).wantOp(t, fanout.OpConnection, true)
	} else {
		cancel(fanout.ErrSignal)
		(<-hung).wantOp(t, fanout.OpCanceled, true)
	}
	wg.Wait()
	if got := passwords(t, dir); got != 3 {
		t.Errorf("got %d passwords, want 3", got)
	}
}

// TestHostSilentAboutThePasswordIsGivenUp: a host that has the password and does not answer keeps the
// others waiting for a time, and a warning says so; its own command is given up later.
func TestHostSilentAboutThePasswordIsGivenUp(t *testing.T) {
	b, dir := sudoBench(t, "hang", "ask", "ask")
	told := make(chan string, 9)
	b.sudoGate.warn = func(text string) { told <- text }
	b.sudoGate.patience = 100 * time.Millisecond
	hung := make(chan *record, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	go func() { hung <- b.task(ctx, 0, sudo("true", sesame)) }()
	eventually(t, "the first password is sent", func() bool { return passwords(t, dir) == 1 })
	for i := 1; i <= 2; i++ {
		b.task(t.Context(), i, sudo("true", sesame)).wantExit(t, fanout.Exit{})
	}
	if text := <-told; !strings.HasPrefix(text, "h0 did not respond to the password") || len(told) > 0 {
		t.Errorf("got told %q, and %d more, want one word about h0", text, len(told))
	}
	cancel(fanout.ErrSignal)
	(<-hung).wantOp(t, fanout.OpCanceled, true)

	b.sudoGate.answer = 100 * time.Millisecond
	r := b.task(t.Context(), 0, sudo("echo ran", sesame))
	r.wantOp(t, fanout.OpSudo, true)
	if f := r.Failure; !f.Final || f.Message != "no response to the password within 100ms" || f.Cause != CauseSudoSilent || r.Outcome() != fanout.Lost {
		t.Errorf("got %s, %+v", r.Outcome(), *f)
	}
}

// TestPasswordIsWithheldOnceAllAreSilent: a password that several hosts have and do not answer is not sent
// to any more.
func TestPasswordIsWithheldOnceAllAreSilent(t *testing.T) {
	b, dir := sudoBench(t, "hang", "hang", "hang", "ask")
	b.sudoGate.patience = 100 * time.Millisecond
	ctx, cancel := context.WithCancelCause(t.Context())
	var wg sync.WaitGroup
	for i := range maxSilent {
		wg.Go(func() { b.task(ctx, i, sudo("true", sesame)) })
	}
	eventually(t, "all of them have it", func() bool { return passwords(t, dir) == maxSilent })
	r := b.task(t.Context(), 3, sudo("echo ran", sesame))
	r.wantOp(t, fanout.OpSudo, false)
	for _, part := range []string{"password not tried", "h0", "h1", "h2"} {
		if !strings.Contains(r.Failure.Message, part) {
			t.Errorf("got %q, want %q in it", r.Failure.Message, part)
		}
	}
	cancel(fanout.ErrSignal)
	wg.Wait()
	if got := passwords(t, dir); got != maxSilent {
		t.Errorf("got %d passwords, want %d", got, maxSilent)
	}
}

// TestProofOfSilentHosts: who is waited for, for how long, and what a late answer
// changes.
func TestProofOfSilentHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p passwordGate
		claim := func(host string) (time.Duration, bool, error) {
			began := time.Now()
			first, err := p.claim(t.Context(), host)
			return time.Since(began), first, err
		}
		want := func(host string, took time.Duration, first bool) {
			t.Helper()
			if got, isFirst, err := claim(host); got != took || isFirst != first || err != nil {
				t.Errorf("%s: got first %v after %v, %v; want first %v after %v", host, isFirst, got, err, first, took)
			}
		}
		want("a", 0, true)
		want("b", passwordPatience, true)
		p.record(gateUnknown, "a") // is not waited for any more
		want("c", passwordPatience, true)
		if _, _, err := claim("d"); err == nil || !strings.Contains(err.Error(), "no response from a, b, c") {
			t.Errorf("got %v, want the hosts that are silent", err)
		}
		p.record(gateAccepted, "b")
		want("d", 0, false)
		p.record(gateRefused, "a")
		if _, _, err := claim("e"); err == nil || !strings.Contains(err.Error(), "a rejected it") {
			t.Errorf("got %v, want the refusal", err)
		}
	})
}

// waiting reports whether a host waits until another has accepted the password.
func (p *passwordGate) waiting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed != nil
}

// TestSudoEnd: a command that runs by sudo is ended by sudo, and that is proved
// by sudo; one that sudo has not begun is ended without.
func TestSudoEnd(t *testing.T) {
	bench := func(mode string) (*bench, string) {
		b, dir := sudoBench(t, mode)
		b.probeTimeout = patience
		b.fleet.SetFaults("h0", fleet.Faults{RejectSignals: true}) // as sshd does for the processes of others
		return b, filepath.Join(dir, "h0", "pids")
	}
	task := sudo("echo $$ > pids; exec sleep 99", sesame)
	for _, mode := range []string{"ask", "nopasswd"} {
		t.Run(mode, func(t *testing.T) {
			b, file := bench(mode)
			b.endOf(t, 0, task, file, 1).wantEnded(t, file)
		})
	}
	t.Run("hang", func(t *testing.T) {
		b, _ := bench("hang")
		b.targets[0].Limits.Timeout = 500 * time.Millisecond
		r := b.task(t.Context(), 0, task)
		r.wantOp(t, fanout.OpTimeout, true)
		if got, want := r.Failure.Remote, fanout.RemoteEnded; got != want {
			t.Errorf("got remote %q, want %q", got, want)
		}
	})
}
