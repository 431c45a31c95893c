package cmd_test

import (
	"bytes"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"tutti/internal/fleet"
)

// TestStoppedProgram: a command that ended in time while the program was stopped
// (Ctrl-Z, a freezer, a suspended machine) is want a timeout nor run again.
func TestStoppedProgram(t *testing.T) {
	const hosts, limit = 10, 4 * time.Second
	for _, flags := range []string{"--timeout " + limit.String(), "--deadline " + limit.String()} {
		t.Run(flags, func(t *testing.T) {
			begun, end := make(chan struct{}, 2*hosts), make(chan struct{})
			k := newKillingOf(t, hosts, fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
				begun <- struct{}{}
				select {
				case <-end:
				case <-s.Done:
				}
				_, _ = s.Stdout.Write([]byte("done\n")) // an error: the client has gone
				return fleet.Exit{}
			}))
			args := append(strings.Fields("run --retries 1 --retry-on timeout,lost"), strings.Fields(flags)...)
			cmd := exec.Command(k.program, append(args, "all", "work")...)
			cmd.Env = k.env
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			up := time.NewTimer(limit + 500*time.Millisecond)
			defer up.Stop()
			for range hosts {
				<-begun
			}
			if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			close(end)
			<-up.C
			if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v:\n%s", err, said.String())
			}
			if got := k.sessions("work"); got != hosts {
				t.Errorf("got %d commands, want %d", got, hosts)
			}
		})
	}
}
