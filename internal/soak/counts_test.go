package soak

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/store"
)

// counts are what a soak has seen.
type counts struct {
	sessions, runs, restarts int
	fates                    map[string]int
	outcomes                 map[string]map[string]int // by fault, then outcome
	proved                   int                       // commands whose end was proved
	survivors                int                       // processes of which that was not said
}

// count counts a run.
func (v *verdict) count(results []store.HostResult, truth map[string][]fleet.Record) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := &v.counts
	c.runs++
	if c.fates == nil {
		c.fates = map[string]int{}
	}
	c.fates[v.fate.name]++
	for _, sessions := range truth {
		c.sessions += len(sessions)
	}
	for _, r := range results {
		fault := v.scripts[r.Target.Name].fault
		if c.outcomes[fault] == nil {
			c.outcomes[fault] = map[string]int{}
		}
		c.outcomes[fault][r.Outcome.String()]++
		if f := r.Report.Failure; f != nil && f.Remote == fanout.RemoteEnded {
			c.proved++
		}
	}
}

// String is a table.
func (c *counts) String() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d sessions in %d runs %v, %d restarts of bastions, %d ends of commands proved, %d processes outlived a command of unknown end\n",
		c.sessions, c.runs, c.fates, c.restarts, c.proved, c.survivors)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(w, "fault\t") // a Buffer takes everything
	for _, o := range fanout.Outcomes() {
		_, _ = fmt.Fprintf(w, "%s\t", o)
	}
	_, _ = fmt.Fprintln(w)
	for _, fault := range slices.Sorted(maps.Keys(c.outcomes)) {
		_, _ = fmt.Fprintf(w, "%s\t", fault)
		for _, o := range fanout.Outcomes() {
			_, _ = fmt.Fprintf(w, "%d\t", c.outcomes[fault][o.String()])
		}
		_, _ = fmt.Fprintln(w)
	}
	_ = w.Flush() // it goes to a Buffer
	return b.String()
}

// checkVariety: a soak in which little happened proves little.
func (c *counts) checkVariety(t *testing.T) {
	t.Helper()
	if got, want := len(c.outcomes), len(faults)+1; got < want*9/10 {
		t.Errorf("got %d kinds of faults, want nearly all of %d", got, want)
	}
	if c.restarts == 0 {
		t.Error("no bastion restarted")
	}
	if onLinux() && c.proved == 0 {
		t.Error("of no command the end was proved")
	}
	seen := map[string]bool{}
	for _, outcomes := range c.outcomes {
		for o := range outcomes {
			seen[o] = true
		}
	}
	for _, o := range []fanout.Outcome{fanout.OK, fanout.Failed, fanout.Timeout, fanout.Lost, fanout.Unreachable} {
		if !seen[o.String()] {
			t.Errorf("no host was %s", o)
		}
	}
}

// clearAway looks at the processes that the run has left. Those of a command
// whose end was proved, or told, must be gone; others may run on, and are ended
// here.
func (v *verdict) clearAway(results []store.HostResult) error {
	known := map[string]bool{}
	for _, r := range results {
		f := r.Report.Failure
		known[r.Target.Name] = r.Report.Exit != nil || f != nil && f.Remote == fanout.RemoteEnded
	}
	prefix := fmt.Sprintf("l%d-", v.number)
	err := eventually(func() error {
		for _, p := range v.processes(prefix) {
			if known[p.host] {
				return fmt.Errorf("%v runs on although its command is said to have ended", p)
			}
		}
		return nil
	})
	if err != nil {
		v.errorf("lane %d, %s, run %s: %v", v.number, tagOf(v.command), v.fate.name, err)
	}
	survivors := v.processes(prefix)
	v.mu.Lock()
	v.counts.survivors += len(survivors)
	v.mu.Unlock()
	return eventually(func() error {
		for _, p := range v.processes(prefix) {
			_ = syscall.Kill(p.pid, syscall.SIGKILL) // it may have ended
		}
		for host, sessions := range v.truth() {
			for _, r := range sessions {
				if !r.Started.IsZero() && r.Ended.IsZero() {
					return fmt.Errorf("%s still runs %s", host, tagOf(v.command))
				}
			}
		}
		return nil
	})
}

// A process is one of those that the hosts run.
type process struct {
	pid  int
	host string
}

func (p process) String() string { return fmt.Sprintf("process %d of %s", p.pid, p.host) }

// processes are those of hosts whose names begin so, by their environment.
func (s *soak) processes(prefix string) []process {
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is good
	var out []process
	for _, dir := range dirs {
		env, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil {
			continue // it is gone, or another user's
		}
		text := "\x00" + string(env)
		if !strings.Contains(text, "\x00HOME="+s.slow+"\x00") && !strings.Contains(text, "\x00HOME="+s.quick+"\x00") {
			continue
		}
		_, host, _ := strings.Cut(text, "\x00HOSTNAME=")
		host, _, _ = strings.Cut(host, "\x00")
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && strings.HasPrefix(host, prefix) {
			out = append(out, process{pid, host})
		}
	}
	return out
}
