package remote

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// servedByShell plays a host's server in a process namespace of its own: a shell that
// bears the server's name starts a command whose last process leaves its parent, and a
// sweep whose number comes after the highest. It prints whether both began in the same
// tick, what the sweep answered, and whether the process is still there.
//
// The command's number is a few below the highest. The verbs: the numbers before that of
// what it leaves, and before the sweep's.
const servedByShell = `
export SSH_CONNECTION='192.0.2.1 1 192.0.2.2 22' highest
ticks() {
	read -r l <"/proc/$1/stat"
	set -- ${l##*) }
	t=${20}
}
text=$(cat sweep)
highest=$(cat /proc/sys/kernel/pid_max)
echo $((highest - 20)) >/proc/sys/kernel/ns_last_pid
sh -c 'echo $((%s)) >/proc/sys/kernel/ns_last_pid; setsid sleep 99 </dev/null >/dev/null 2>&1 & echo $! $$ >pids' &
wait $!
read -r stray command <pids
ticks "$stray"
began=$t
echo $((%s)) >/proc/sys/kernel/ns_last_pid
sh -c "${text%%%%BEGAN*}$began $command${text#*BEGAN}" >answer &
ticks $!
wait $!
[ "$t" = "$began" ] && echo same
cat answer
! kill -9 "$stray" 2>/dev/null || echo alive
`

// TestSweepAfterTheHighestNumber: process numbers begin again at the lowest; then what a
// command has left is still found, although it, or the sweep, began in the same tick as
// the command and has a lower number.
func TestSweepAfterTheHighestNumber(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a process namespace")
	}
	tests := []struct {
		name         string
		stray, sweep string
	}{
		{"the sweep's", "highest - 10", "1000"},
		{"that of what is left", "1000", "1010"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 100 {
				said, w := sweepByShell(t, fmt.Sprintf(servedByShell, tt.stray, tt.sweep))
				answer, same := strings.CutPrefix(said, "same\n")
				if !same {
					continue // the sweep began in a later tick: nothing to learn
				}
				answer, alive := strings.CutSuffix(answer, "alive\n")
				if got, want := w.Found(answer), SurvivorsNone; got != want || alive {
					t.Errorf("got %v, alive %v, want %v, not alive, of %q", got, alive, want, answer)
				}
				return
			}
			t.Fatal("the command and its sweep never began in the same tick")
		})
	}
}

// sweepByShell runs the script of servedByShell once, and returns what it said and the sweep.
func sweepByShell(t *testing.T, script string) (string, Sweep) {
	t.Helper()
	dir := t.TempDir()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	w := NewSweep("KILL", 4, "BEGAN")
	for name, text := range map[string]string{"sweep": w.text, "served": script} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server, err := os.ReadFile(sh)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sshd"), server, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sh, "-c", "./sshd served; exit $?")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v, said %q", err, out)
	}
	return string(out), w
}
