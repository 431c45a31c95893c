package fleet

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// markName is the environment variable by which a fleet knows its processes.
const markName = "TUTTI_FLEET"

// workplace is where a fleet's shells work: their directories and their processes.
// Its zero value has neither.
type workplace struct {
	mu     sync.Mutex // guards what follows
	closed bool
	root   string       // temporary directory; empty: not needed yet
	mark   string       // value of markName; empty: no process yet
	groups map[int]bool // process groups that may have members
}

// base makes the temporary directory when it is first needed. The lock is held.
func (w *workplace) base() (string, error) {
	if w.closed {
		return "", errClosed
	}
	if w.root != "" {
		return w.root, nil
	}
	root, err := os.MkdirTemp("", "tutti-fleet-")
	if err != nil {
		return "", err
	}
	if err := writeTools(filepath.Join(root, ".bin")); err != nil {
		return "", errors.Join(err, os.RemoveAll(root))
	}
	w.root = root
	return root, nil
}

// home returns a host's own directory.
func (w *workplace) home(host string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	root, err := w.base()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, host)
	return dir, os.MkdirAll(dir, 0o700)
}

// env returns the environment of a command: little, and nothing of ours but the
// path, as after a login.
func (w *workplace) env(s *Session, home string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	root, err := w.base()
	if err != nil {
		return nil, err
	}
	if w.mark == "" {
		w.mark = rand.Text()
	}
	path := os.Getenv("PATH")
	if path == "" {
		path = "/usr/local/bin:/usr/bin:/bin"
	}
	meta := s.conn.ssh
	return []string{
		"PATH=" + filepath.Join(root, ".bin") + ":" + path,
		"HOME=" + home,
		"HOST=" + s.Host,
		"HOSTNAME=" + s.Host,
		"USER=" + s.User,
		"LOGNAME=" + s.User,
		"SHELL=/bin/sh",
		"SSH_CONNECTION=" + connection(meta.RemoteAddr().String(), meta.LocalAddr().String()),
		markName + "=" + w.mark,
	}, nil
}

// connection says who is connected to whom, as sshd does.
func connection(remote, local string) string {
	return string(bytes.ReplaceAll([]byte(remote+" "+local), []byte(":"), []byte(" ")))
}

// start starts a process that leads its own group, unless the fleet has closed.
func (w *workplace) start(cmd *exec.Cmd) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errClosed
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if w.groups == nil {
		w.groups = make(map[int]bool)
	}
	w.groups[cmd.Process.Pid] = true
	return nil
}

// ended forgets a group whose leader has been waited for, unless it has members
// left. While it has, no other process can get its number.
func (w *workplace) ended(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if syscall.Kill(-pid, 0) != nil {
		delete(w.groups, pid)
	}
}

// killTime bounds the search for processes that fork while they are hunted.
const killTime = 5 * time.Second

// kill kills what was started and lets nothing more start.
func (w *workplace) kill() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.mark == "" {
		return nil
	}
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		for pid := range w.groups {
			_ = syscall.Kill(-pid, syscall.SIGKILL) // it may have ended
		}
		return nil
	}
	// Where environments can be read, the mark is better than the group: a
	// group's number may have changed hands since its last member ended, and
	// the mark also finds those that have left for a session of their own.
	mark := []byte(markName + "=" + w.mark + "\x00")
	for limit := time.Now().Add(killTime); ; {
		found, err := killMarked(mark)
		if err != nil || found == 0 {
			return err
		}
		if time.Now().After(limit) {
			return fmt.Errorf("close fleet: %d processes are left", found)
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // only the parent of a process is notified of its end
	}
}

// killMarked kills every process whose environment holds mark and returns their
// number.
func killMarked(mark []byte) (int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return 0, fmt.Errorf("close fleet: %w", err)
	}
	names, err := dir.Readdirnames(-1)
	_ = dir.Close() // only read
	if err != nil {
		return 0, fmt.Errorf("close fleet: %w", err)
	}
	found := 0
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		// Unreadable means another user's, or gone.
		env, err := os.ReadFile(filepath.Join("/proc", name, "environ"))
		if err != nil || !bytes.Contains(env, mark) {
			continue
		}
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		found++
	}
	return found, nil
}

// remove removes the temporary directory.
func (w *workplace) remove() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.root == "" {
		return nil
	}
	return os.RemoveAll(w.root)
}
