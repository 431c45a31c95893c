package cmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/internal/fleet"
)

// A killing is a fleet, and a program that is going to be killed.
type killing struct {
	tb      testing.TB
	fleet   *fleet.Fleet
	program string
	dir     string
	env     []string
	hosts   int
}

func newKilling(tb testing.TB, hosts int) *killing {
	tb.Helper()
	return newKillingOf(tb, hosts, fleet.HandlerFunc(ponder))
}

// newKillingOf has hosts that run commands by exec.
func newKillingOf(tb testing.TB, hosts int, handler fleet.Handler) *killing {
	tb.Helper()
	program, err := exec.LookPath("tutti") // TestMain's
	if err != nil {
		tb.Fatal(err)
	}
	key, dir := fleet.NewKey(), tb.TempDir()
	opts := fleet.Options{Authorized: []gossh.PublicKey{key.PublicKey()}, Exec: handler}
	for i := range hosts {
		opts.Hosts = append(opts.Hosts, fleet.Host{Name: fmt.Sprintf("web%02d", i)})
	}
	f, err := fleet.Start(opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	k := &killing{tb, f, program, dir, nil, hosts}
	k.prepare(key, opts.Hosts)
	return k
}

// prepare writes what the program needs to reach the hosts, and points its
// environment to it.
func (k *killing) prepare(key fleet.Key, hosts []fleet.Host) {
	k.tb.Helper()
	files := map[string][]byte{"known_hosts": k.fleet.KnownHosts(), "hosts.yaml": fleetInventory(k.fleet, hosts)}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(k.dir, name), content, 0o600); err != nil {
			k.tb.Fatal(err)
		}
	}
	if err := key.WriteFile(filepath.Join(k.dir, "id_ed25519"), ""); err != nil {
		k.tb.Fatal(err)
	}
	k.setEnv(filepath.Join(k.dir, "known_hosts"))
}

func (k *killing) setEnv(knownHosts string) {
	k.env = append(os.Environ(),
		"HOME="+k.dir, "SSH_AUTH_SOCK=",
		"TUTTI_INVENTORY="+filepath.Join(k.dir, "hosts.yaml"),
		"TUTTI_KNOWN_HOSTS="+knownHosts,
		"TUTTI_HISTORY="+filepath.Join(k.dir, "history.db"),
	)
}

// ponder takes some milliseconds, so that there are moments between the steps.
func ponder(s *fleet.Session) fleet.Exit {
	timer := time.NewTimer(time.Duration(len(s.Host)+rand.IntN(20)) * time.Millisecond)
	defer timer.Stop()
	_, _ = fmt.Fprintln(s.Stdout, "begin") // an error: the client has gone
	select {
	case <-timer.C:
	case <-s.Done:
	}
	_, _ = fmt.Fprintln(s.Stdout, "end")
	return fleet.Exit{}
}

// runUntil runs command on all hosts and kills the program once the fleet has
// seen so many sessions in this run and then some time has passed. It reports
// whether the program was still at it.
func (k *killing) runUntil(command string, sessions int, after time.Duration) bool {
	k.tb.Helper()
	cmd := exec.Command(k.program, "run", "-q", "-F", "none", "-f", "4", "--retries", "1", "--run-id-file", k.idFile(command), "all", command) //nolint:gosec // the program under test
	cmd.Env = k.env
	if err := cmd.Start(); err != nil {
		k.tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in the history
		close(ended)
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for k.sessions(command) < sessions {
		select {
		case <-ended:
			return false
		case <-tick.C:
		}
	}
	timer := time.NewTimer(after)
	defer timer.Stop()
	<-timer.C
	_ = cmd.Process.Kill() // it may have ended
	<-ended
	return cmd.ProcessState.ExitCode() == -1
}

func (k *killing) sessions(command string) int {
	n := 0
	for _, r := range k.fleet.Log() {
		if r.Command == command {
			n++
		}
	}
	return n
}

// ran is how often each host was given command.
func (k *killing) ran(command string) map[string]int {
	out := map[string]int{}
	for _, r := range k.fleet.Log() {
		if r.Command == command {
			out[r.Host]++
		}
	}
	return out
}

// A recorded is what `tutti show --json` says of a host.
type recorded struct {
	Type    string `json:"type"`
	Host    string `json:"host"`
	Outcome string `json:"outcome"`
	Started bool   `json:"started"`
}

// find returns the number of the run of command; empty: it came to none, and so
// to no host.
func (k *killing) find(command string) string {
	k.tb.Helper()
	id, err := os.ReadFile(k.idFile(command))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.tb.Fatal(err)
	}
	return strings.TrimSpace(string(id))
}

func (k *killing) idFile(command string) string { return filepath.Join(k.dir, command+".id") }

// show asks the program for the results of a run.
func (k *killing) show(id string) map[string]recorded {
	k.tb.Helper()
	if id == "" {
		return nil
	}
	out := map[string]recorded{}
	for line := range bytes.Lines(k.tutti("show", id, "--json")) {
		var r recorded
		if err := json.Unmarshal(line, &r); err != nil {
			k.tb.Fatalf("%s: %v", line, err)
		}
		if r.Type == "host_finished" {
			out[r.Host] = r
		}
	}
	return out
}

func (k *killing) tutti(args ...string) []byte {
	k.tb.Helper()
	cmd := exec.Command(k.program, args...) //nolint:gosec // the program under test
	cmd.Env = k.env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		k.tb.Fatalf("tutti %s: %v: %s", strings.Join(args, " "), err, &stderr)
	}
	return out
}

// TestKilledAtAnyMoment: whenever the program is killed, the history knows of
// every host whether its command may have been sent, and nothing is run again.
func TestKilledAtAnyMoment(t *testing.T) {
	const kills = 20
	k := newKilling(t, 12)
	killed, outcomes := 0, map[string]int{}
	for i := range kills {
		command := fmt.Sprintf("kill.%d", i)
		// From the moment before the first session to that after the last.
		if k.runUntil(command, i*(k.hosts+1)/kills, time.Duration(rand.IntN(10_000))*time.Microsecond) {
			killed++
		}
		hosts, ran := k.show(k.find(command)), k.ran(command)
		if len(hosts) != k.hosts && (len(hosts) > 0 || len(ran) > 0) {
			t.Errorf("%s: got %d hosts in the history, want %d; %d ran", command, len(hosts), k.hosts, len(ran))
		}
		for name, host := range hosts {
			outcomes[host.Outcome]++
			switch n := ran[name]; {
			case n > 1:
				t.Errorf("%s: %s ran %d times", command, name, n)
			case n == 1 && (!host.Started || host.Outcome != "ok" && host.Outcome != "lost"):
				t.Errorf("%s: %s ran, and is %s, started %v", command, name, host.Outcome, host.Started)
			case n == 0 && host.Outcome == "ok":
				t.Errorf("%s: %s is ok, and never ran", command, name)
			}
		}
	}
	if killed < kills/2 {
		t.Errorf("got %d of %d runs killed in the midst of it, want most", killed, kills)
	}
	for _, o := range []string{"ok", "lost", "skipped"} {
		if outcomes[o] == 0 {
			t.Errorf("got %v, want some that are %s", outcomes, o)
		}
	}
}

// TestRerunAfterKill: what was skipped is run by a rerun of it, and what was
// lost is not.
func TestRerunAfterKill(t *testing.T) {
	k := newKilling(t, 12)
	if !k.runUntil("again", 5, 0) {
		t.Fatal("it was not killed in the midst of it")
	}
	id := k.find("again")
	hosts, before := k.show(id), k.ran("again")
	k.tutti("rerun", "-q", "-F", "none", "--outcome", "skipped", id)
	after, skipped := k.ran("again"), 0
	for name, host := range hosts {
		want := before[name]
		if host.Outcome == "skipped" {
			skipped++
			want = 1
		}
		if after[name] != want {
			t.Errorf("%s was %s: it has run %d times, want %d", name, host.Outcome, after[name], want)
		}
	}
	if skipped == 0 {
		t.Error("no host was skipped")
	}
}
