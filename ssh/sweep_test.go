package ssh

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/sshdtest"
)

// trees are commands that leave processes of all kinds, each of which writes
// its number to the file pids.
var trees = []struct {
	name, command string
}{
	{"plain", `echo $$ > pids; exec sleep 99`},
	{"ignores TERM", `trap "" TERM; echo $$ > pids; sleep 99 & echo $! >> pids; wait`},
	{"children", `sleep 98 & echo $! > pids; sh -c 'sleep 99 & echo $! >> pids; wait' & wait`},
	{"another session", `echo $$ > pids; setsid sh -c 'trap "" TERM; echo $$ >> pids; sleep 99 & echo $! >> pids; wait'; sleep 99`},
	{"forks on and on", `trap "" TERM; echo $$ > pids; while :; do sh -c 'echo $$ >> pids; exec sleep 0.05'; done`},
	{"stopped", `echo $$ > pids; kill -STOP $$; sleep 99`},
	{"daemon", `(setsid sh -c 'trap "" TERM; echo $$ > pids; exec sleep 99' >/dev/null 2>&1 </dev/null &) ; sleep 99`},
}

// TestP08SSHDSweep: nothing is left of a command that was ended, whoever ran
// it, and that is proved.
func TestP08SSHDSweep(t *testing.T) {
	for _, who := range []struct {
		name string
		root bool
	}{{"user", false}, {"root", true}} {
		if who.root && os.Geteuid() != 0 {
			continue // there is no way in as root; the other half stands
		}
		b, s := realBench(t, len(trees), sshdtest.Options{Root: who.root}, nil)
		for i, tt := range trees {
			t.Run(who.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				dir := s.Dir + "/" + fmt.Sprint(i)
				b.targets[i].Limits.Timeout = time.Second
				r := b.exec(t.Context(), i, "mkdir "+dir+" && cd "+dir+" || exit; "+tt.command)
				r.wantOp(t, fanout.OpTimeout, true)
				if got, want := r.Failure.Remote, fanout.RemoteEnded; got != want {
					t.Errorf("got remote %q, want %q", got, want)
				}
				for _, pid := range pids(t, filepath.Join(dir, "pids")) {
					if running(pid) {
						t.Errorf("process %d still runs", pid)
					}
				}
			})
		}
	}
}

// TestP08SSHDSweepWithoutMeans: hosts that allow one session at a time, or have
// no ps, are swept all the same.
func TestP08SSHDSweepWithoutMeans(t *testing.T) {
	bin := toolsWithout(t, "ps")
	tests := []struct {
		name   string
		config string
	}{
		{"one session", "MaxSessions 1"},
		{"no ps", "SetEnv PATH=" + bin},
	}
	for _, tt := range tests {
		for _, root := range []bool{false, true} {
			if root && (os.Geteuid() != 0 || tt.config == "MaxSessions 1") {
				// Before OpenSSH 10, root's command that does not end keeps
				// the only session: there is no second look.
				continue
			}
			t.Run(fmt.Sprint(tt.name, "/root=", root), func(t *testing.T) {
				t.Parallel()
				b, s := realBench(t, 1, sshdtest.Options{Root: root, Config: []string{tt.config}}, nil)
				b.targets[0].Limits.Timeout = time.Second
				r := b.exec(t.Context(), 0, "cd "+s.Dir+` || exit; trap "" TERM; echo $$ > pids; setsid sleep 99 & echo $! >> pids; wait`)
				r.wantOp(t, fanout.OpTimeout, true)
				if got, want := r.Failure.Remote, fanout.RemoteEnded; got != want {
					t.Errorf("got remote %q, want %q", got, want)
				}
				for _, pid := range pids(t, filepath.Join(s.Dir, "pids")) {
					if running(pid) {
						t.Errorf("process %d still runs", pid)
					}
				}
			})
		}
	}
}

// toolsWithout returns a folder with the usual tools but one.
func toolsWithout(t *testing.T, missing string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tools-") //nolint:usetesting // the served user looks in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // a leftover does no harm
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sh", "ps", "cat", "grep", "tr", "sed", "sleep", "setsid", "echo"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == missing {
			continue
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
