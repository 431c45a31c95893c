package fleet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// Shell returns a handler that runs commands with /bin/sh in dir, each in a
// session and process group of its own. The empty dir is a directory per host under
// the fleet's temporary directory.
//
// Signal requests go to the process group. A command whose channel closes is
// left running, as sshd does, with its streams closed; Fleet.Close kills it. The
// end is reported when the shell has ended, the output when its last writer has.
func Shell(dir string) Handler { return shell(dir) }

type shell string

// Run runs a command, or a shell that reads standard input if there is none.
func (dir shell) Run(s *Session) Exit {
	e, err := dir.run(s)
	if err != nil {
		_, _ = fmt.Fprintf(s.Stderr, "fleet: %v\n", err) // the client may have left
		return Exit{Code: 126}
	}
	return e
}

func (dir shell) run(s *Session) (Exit, error) {
	work := &s.conn.fleet.work
	home := string(dir)
	if home == "" {
		var err error
		if home, err = work.home(s.Host); err != nil {
			return Exit{}, err
		}
	}
	cmd := exec.Command("/bin/sh")
	if s.Command != "" {
		cmd.Args = append(cmd.Args, "-c", s.Command)
	}
	env, err := work.env(s, home)
	if err != nil {
		return Exit{}, err
	}
	cmd.Env = env
	cmd.Dir = home
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p, err := newPipes(cmd)
	if err != nil {
		return Exit{}, err
	}
	if err := work.start(cmd); err != nil {
		p.closeTheirs()
		p.closeOurs()
		return Exit{}, err
	}
	p.closeTheirs()
	return attend(s, cmd, p), nil
}

// attend sees a process through to its end and to the end of its output.
func attend(s *Session, cmd *exec.Cmd, p *pipes) Exit {
	// Standard input is read until the channel ends, which it does only after
	// this function has returned: the connection waits for this goroutine.
	s.conn.wg.Go(func() {
		_, _ = io.Copy(p.stdin, s.Stdin)
		_ = p.stdin.Close()
	})
	var out sync.WaitGroup
	out.Go(func() { drain(s.Stdout, p.stdout) })
	out.Go(func() { drain(s.Stderr, p.stderr) })

	ended, drained := make(chan struct{}), make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { forward(s, cmd.Process.Pid, p, ended, drained) })

	_ = cmd.Wait() // the state says it all
	close(ended)
	s.conn.fleet.work.ended(cmd.Process.Pid)
	e := exitOf(cmd.ProcessState)
	s.Exit(e)
	out.Wait()
	close(drained)
	watch.Wait()
	p.closeOurs()
	return e
}

// drain copies output until its last writer or its reader has gone.
func drain(to io.Writer, from *os.File) {
	_, _ = io.Copy(to, from)
	_ = from.Close() // a process that writes on shall notice
}

// forward passes signals on while the process lives, and closes the streams when
// the channel goes.
func forward(s *Session, pid int, p *pipes, ended, drained <-chan struct{}) {
	done := s.Done
	for {
		select {
		case <-drained:
			return
		case <-done:
			p.closeOurs()
			done = nil
		case name := <-s.Signals:
			select {
			case <-ended: // the number may belong to another process by now
			default:
				if sig, ok := signals[name]; ok {
					_ = syscall.Kill(-pid, sig) // it may have ended just now
				}
			}
		}
	}
}

// pipes are the streams of a process: our ends and its own.
type pipes struct {
	stdin, stdout, stderr *os.File
	theirs                []*os.File
}

func newPipes(cmd *exec.Cmd) (*pipes, error) {
	p := &pipes{}
	var ends [3][2]*os.File
	for i := range ends {
		r, w, err := os.Pipe()
		if err != nil {
			for _, pair := range ends[:i] {
				_ = pair[0].Close()
				_ = pair[1].Close()
			}
			return nil, err
		}
		ends[i] = [2]*os.File{r, w}
	}
	p.stdin, p.stdout, p.stderr = ends[0][1], ends[1][0], ends[2][0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = ends[0][0], ends[1][1], ends[2][1]
	p.theirs = []*os.File{ends[0][0], ends[1][1], ends[2][1]}
	return p, nil
}

func (p *pipes) closeTheirs() {
	for _, f := range p.theirs {
		_ = f.Close()
	}
}

// closeOurs may be called at any time and more than once; it wakes who reads or
// writes.
func (p *pipes) closeOurs() {
	_ = p.stdin.Close()
	_ = p.stdout.Close()
	_ = p.stderr.Close()
}

// signals are the signals of RFC 4254 by name.
var signals = map[string]syscall.Signal{
	"ABRT": syscall.SIGABRT, "ALRM": syscall.SIGALRM, "FPE": syscall.SIGFPE, "HUP": syscall.SIGHUP,
	"ILL": syscall.SIGILL, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "PIPE": syscall.SIGPIPE,
	"QUIT": syscall.SIGQUIT, "SEGV": syscall.SIGSEGV, "TERM": syscall.SIGTERM,
	"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
}

// exitOf says how a process ended, in the words of the protocol.
func exitOf(state *os.ProcessState) Exit {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return Exit{Code: uint32(state.ExitCode())}
	}
	for name, sig := range signals {
		if sig == status.Signal() {
			return Exit{Signal: name, Core: status.CoreDump()}
		}
	}
	return Exit{Signal: "SIG@openssh.com", Core: status.CoreDump()}
}

// errClosed is the answer to a command that comes too late.
var errClosed = errors.New("the fleet has closed")

// hostnameScript makes `hostname` answer with the host's own name.
const hostnameScript = "#!/bin/sh\nprintf '%s\\n' \"$HOSTNAME\"\n"

// psScript makes `ps`, asked for the whole table, show what a machine of its own
// would show to a command: the processes of its connection, under a server.
// In truth their parent is this process, whose other children are other hosts'
// commands, and worse. What else ps is asked goes to the real one.
const psScript = `#!/bin/sh
case "$*" in
"-o comm= -p %[2]d")
	echo sshd ;;
"-A -o pid=,ppid=,stat=")
	own=" $(echo $(grep -lszxF "SSH_CONNECTION=$SSH_CONNECTION" /proc/[0-9]*/environ)) "
	%[1]s "$@" | while read -r pid rest; do
		case $own in *" /proc/$pid/environ "*) echo "$pid $rest" ;; esac
	done ;;
*)
	exec %[1]s "$@" ;;
esac
`

// writeTools puts the fleet's own commands into dir.
func writeTools(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	tools := map[string]string{"hostname": hostnameScript}
	_, err := os.Stat("/proc/self/environ")
	if ps, missing := exec.LookPath("ps"); err == nil && missing == nil {
		tools["ps"] = fmt.Sprintf(psScript, ps, os.Getpid())
	}
	for name, script := range tools {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
			return err
		}
	}
	return nil
}
