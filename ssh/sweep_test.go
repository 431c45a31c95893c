package ssh

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/sshdtest"
)

// trees are commands that leave processes of all kinds, which write their
// numbers to the file pids, so many at least before the command is ended.
var trees = []struct {
	name, command string
	lines         int
}{
	{"plain", `echo $$ > pids; exec sleep 99`, 1},
	{"ignores TERM", `trap "" TERM; echo $$ > pids; sleep 99 & echo $! >> pids; wait`, 2},
	{"children", `sleep 98 & echo $! > pids; sh -c 'sleep 99 & echo $! >> pids; wait' & wait`, 2},
	{"a child that holds nothing", `sleep 99 </dev/null >/dev/null 2>&1 & echo $! > pids; exec sleep 98`, 1},
	{"ignores TERM, a child that holds nothing", `trap "" TERM; sleep 99 </dev/null >/dev/null 2>&1 & echo $! > pids; wait`, 1},
	{"another session", `echo $$ > pids; setsid sh -c 'trap "" TERM; echo $$ >> pids; sleep 99 & echo $! >> pids; wait'; sleep 99`, 3},
	{"forks on and on", `trap "" TERM; echo $$ > pids; while :; do sh -c 'echo $$ >> pids; exec sleep 0.05'; done`, 4},
	{"stopped", `echo $$ > pids; kill -STOP $$; sleep 99`, 1},
	{"daemon", `(setsid sh -c 'trap "" TERM; echo $$ > pids; exec sleep 99' >/dev/null 2>&1 </dev/null &) ; sleep 99`, 1},
}

// endOf runs a task on target i that writes to the file pids, and has it
// ended as soon as that has so many lines: its input breaks off.
func (b *bench) endOf(t *testing.T, i int, task fanout.Task, pids string, lines int) *record {
	t.Helper()
	task.Stdin = brokenOnce{func() bool {
		data, _ := os.ReadFile(pids) // there is none yet
		return bytes.Count(data, []byte("\n")) >= lines
	}}
	r := b.task(t.Context(), i, task)
	r.wantOp(t, fanout.OpLocal, true)
	return r
}

// wantEnded checks that nothing is left of what wrote to the file pids, and that
// r says so.
func (r *record) wantEnded(t *testing.T, file string) {
	t.Helper()
	if got, want := r.Failure.Remote, fanout.RemoteEnded; got != want {
		t.Errorf("got remote %q, want %q", got, want)
	}
	for _, pid := range pids(t, file) {
		if running(pid) {
			t.Errorf("process %d still runs", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL) // it must not outlive the test
		}
	}
}

// A brokenOnce input is silent, and cannot be had once something is true.
type brokenOnce struct{ is func() bool }

func (b brokenOnce) Open(ctx context.Context) io.Reader {
	return readerFunc(func([]byte) (int, error) {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for !b.is() {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		return 0, errBroken
	})
}

func (brokenOnce) Close() error { return nil }

// TestSSHDSweepLeavesNothing: nothing is left of a command that was stopped, whatever user ran
// it, and that is proved, on a connection of its own and on one that has served
// others.
func TestSSHDSweepLeavesNothing(t *testing.T) {
	for _, root := range []bool{false, true} {
		if root && os.Geteuid() != 0 {
			continue // there is no way in as root; the other half stands
		}
		for _, pooled := range []bool{false, true} {
			t.Run(fmt.Sprintf("root=%v/pooled=%v", root, pooled), func(t *testing.T) {
				b, s := realBench(t, len(trees), sshdtest.Options{Root: root}, nil)
				sweepTrees(t, b, s.Dir, pooled)
			})
		}
	}
}

// sweepTrees ends all trees, each on a target of its own.
func sweepTrees(t *testing.T, b *bench, home string, pooled bool) {
	for i, tt := range trees {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(home, fmt.Sprint(i))
			b.exec(t.Context(), i, "mkdir "+dir).wantExit(t, fanout.Exit{})
			if !pooled {
				b.forget(i)
			}
			file := filepath.Join(dir, "pids")
			b.endOf(t, i, fanout.Task{Action: fanout.Command("cd " + dir + " || exit; " + tt.command)}, file, tt.lines).wantEnded(t, file)
		})
	}
}

// TestSSHDSweepSparesEarlierCommands: what an earlier command on the connection has
// left running is left alone, and does not count.
func TestSSHDSweepSparesEarlierCommands(t *testing.T) {
	b, s := realBench(t, 1, sshdtest.Options{}, nil)
	daemon := daemonOf(t, b, s.Dir, "setsid sleep 99")
	file := filepath.Join(s.Dir, "pids")
	task := fanout.Task{Action: fanout.Command("cd " + s.Dir + ` || exit; echo $$ > pids; sleep 99 & echo $! >> pids; wait`)}
	b.endOf(t, 0, task, file, 2).wantEnded(t, file)
	if !running(daemon) {
		t.Error("the earlier command's daemon is gone, want it left alone")
	}
}

// daemonOf runs a command that leaves one process, started by line, and returns
// its number. It ends with the test.
func daemonOf(t *testing.T, b *bench, dir, line string) int {
	t.Helper()
	b.exec(t.Context(), 0, "cd "+dir+` || exit; (`+line+` >/dev/null 2>&1 </dev/null & echo $! > daemon)`).wantExit(t, fanout.Exit{})
	pid := pids(t, filepath.Join(dir, "daemon"))[0]
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	return pid
}

// TestSSHDSweepClaimsNothingInDoubt: what has left both its parent and its environment may
// be the command's, so that its end is not claimed; and is not touched, for it
// may belong to any session.
func TestSSHDSweepClaimsNothingInDoubt(t *testing.T) {
	b, s := realBench(t, 1, sshdtest.Options{}, nil)
	file := filepath.Join(s.Dir, "pids")
	task := fanout.Task{Action: fanout.Command("cd " + s.Dir + ` || exit; (setsid env -i sh -c 'echo $$ > pids; exec sleep 99' >/dev/null 2>&1 </dev/null &); sleep 99`)}
	r := b.endOf(t, 0, task, file, 1)
	pid := pids(t, file)[0]
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	if !running(pid) {
		t.Error("the process is gone, want it left alone")
	}
	if got, want := r.Failure.Remote, fanout.RemoteUnknown; got != want {
		t.Errorf("got remote %q, want %q", got, want)
	}
}

// TestSSHDSweepWithoutMeans: hosts that allow one session at a time, or have
// no ps, are swept all the same.
func TestSSHDSweepWithoutMeans(t *testing.T) {
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
				file := filepath.Join(s.Dir, "pids")
				task := fanout.Task{Action: fanout.Command("cd " + s.Dir + ` || exit; trap "" TERM; echo $$ > pids; setsid sleep 99 & echo $! >> pids; wait`)}
				b.endOf(t, 0, task, file, 2).wantEnded(t, file)
			})
		}
	}
}

// TestSSHDSweepSeesHalfOfIt: a process that is not there for one of the means by
// which processes are found, because it is just becoming another program or has just
// begun, is not taken for gone.
func TestSSHDSweepSeesHalfOfIt(t *testing.T) {
	tests := []struct{ name, tool, script string }{
		{"becoming another program", "grep", `case $1 in
-l*) %[1]s "$@" | while read -r f; do [ -e %[2]s ] && [ "$f" = "/proc/$(cat %[2]s)/environ" ] || echo "$f"; done ;;
*) exec %[1]s "$@" ;;
esac`},
		{"just begun", "ps", `%[1]s "$@" | while read -r p rest; do [ -e %[2]s ] && [ "$p" = "$(cat %[2]s)" ] || echo "$p $rest"; done`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bin := toolsWithout(t, tt.tool)
			path, err := exec.LookPath(tt.tool)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(bin, "pids")
			if err := os.WriteFile(filepath.Join(bin, tt.tool), fmt.Appendf(nil, "#!/bin/sh\n"+tt.script+"\n", path, file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(bin, 0o777); err != nil { // the command writes its number there
				t.Fatal(err)
			}
			b, _ := realBench(t, 1, sshdtest.Options{Config: []string{"SetEnv PATH=" + bin}}, nil)
			task := fanout.Task{Action: fanout.Command("cd " + bin + ` || exit; (setsid sh -c 'trap "" TERM; echo $$ > pids; exec sleep 99' >/dev/null 2>&1 </dev/null &) ; sleep 99`)}
			r := b.endOf(t, 0, task, file, 1)
			pid := pids(t, file)[0]
			t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
			if got := r.Failure.Remote; got == fanout.RemoteEnded && running(pid) {
				t.Errorf("got remote %q although process %d runs", got, pid)
			}
		})
	}
}

// toolsWithout returns a directory with the usual tools but one.
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
