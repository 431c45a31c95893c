package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// A fakeProcess is what /proc shows of a process: its stdin is ours, another, or
// none that can be seen.
type fakeProcess struct {
	name, stdin string
	parent      int
}

func fakeProc(t *testing.T, ours string, processes map[int]fakeProcess) string {
	t.Helper()
	proc := t.TempDir()
	other := filepath.Join(proc, "other")
	if err := syscall.Mkfifo(other, 0o600); err != nil {
		t.Fatal(err)
	}
	for pid, p := range processes {
		fds := filepath.Join(proc, strconv.Itoa(pid), "fd")
		if err := os.MkdirAll(fds, 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		switch p.stdin {
		case "ours":
			err = os.Symlink(ours, filepath.Join(fds, "0"))
		case "other":
			err = os.Symlink(other, filepath.Join(fds, "0"))
		case "hidden": // a path through a file is an error other than that nothing is there
			err = os.Symlink(filepath.Join(other, "0"), filepath.Join(fds, "0"))
		}
		if err == nil {
			stat := fmt.Sprintf("%d (%s) S %d 1 1 0 -1", pid, p.name, p.parent)
			err = os.WriteFile(filepath.Join(proc, strconv.Itoa(pid), "stat"), []byte(stat), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return proc
}

func TestReaderOf(t *testing.T) {
	tests := []struct {
		name      string
		processes map[int]fakeProcess
		want      Waiting
	}{
		{"a pipeline at a prompt", map[int]fakeProcess{9: {"bash", "other", 1}, 1: {"init", "hidden", 0}}, InputForTutti},
		{"the parent has no input", map[int]fakeProcess{9: {"bash", "", 1}, 1: {"init", "hidden", 0}}, InputForTutti},
		{"a shell that reads its script", map[int]fakeProcess{9: {"sh", "ours", 1}, 1: {"init", "hidden", 0}}, inputForShell},
		{"a name with blanks and brackets", map[int]fakeProcess{9: {"a) S 7 (b", "ours", 1}}, inputForShell},
		{"its parent's parent reads the script", map[int]fakeProcess{9: {"make", "other", 8}, 8: {"sh", "ours", 1}}, inputForShell},
		{"sudo in a script", map[int]fakeProcess{9: {"sudo", "ours", 8}, 8: {"sh", "ours", 1}}, inputForShell},
		{"sudo at a prompt", map[int]fakeProcess{9: {"sudo", "ours", 8}, 8: {"bash", "other", 1}}, InputForTutti},
		{"sudo that cannot be looked at", map[int]fakeProcess{9: {"sudo", "hidden", 8}, 8: {"bash", "other", 1}}, InputForTutti},
		{"a parent that cannot be looked at", map[int]fakeProcess{9: {"sh", "hidden", 8}, 8: {"bash", "other", 1}}, UnknownInput},
		{"no parent in this container", nil, UnknownInput},
		{"processes that are their own parents", map[int]fakeProcess{9: {"sudo", "ours", 9}}, UnknownInput},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ours := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(ours, 0o600); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(ours)
			if err != nil {
				t.Fatal(err)
			}
			if got := readerOf(fakeProc(t, ours, tt.processes), 9, info); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// TestWaiting gives a program inputs of all kinds; those it may not speak of
// are as if there were nothing.
func TestWaiting(t *testing.T) {
	pipe := func(text string, open bool) *os.File {
		r, w, err := os.Pipe()
		if err == nil {
			_, err = w.WriteString(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !open {
			_ = w.Close()
		} else {
			t.Cleanup(func() { _ = w.Close() })
		}
		return r
	}
	socket := func(text string, open bool) *os.File {
		pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err == nil {
			_, err = syscall.Write(pair[0], []byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
		if !open {
			_ = syscall.Close(pair[0])
		} else {
			t.Cleanup(func() { _ = syscall.Close(pair[0]) })
		}
		return os.NewFile(uintptr(pair[1]), "socket")
	}
	file := func(name string) *os.File {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	closed := pipe("x", true)
	_ = closed.Close()
	tests := []struct {
		name string
		in   *os.File
		want Waiting
	}{
		{"a pipe with data", pipe("x", true), UnknownInput},
		{"a pipe with data that has been closed", pipe("x", false), UnknownInput},
		{"a pipe without data", pipe("", true), noInput},
		{"a pipe at its end", pipe("", false), noInput},
		{"a socket with data", socket("x", true), UnknownInput},
		{"a socket without data", socket("", true), noInput},
		{"a socket at its end", socket("", false), noInput},
		{"a file", file("waiting_test.go"), noInput},
		{"/dev/null", file(os.DevNull), noInput},
		{"/dev/zero", file("/dev/zero"), noInput},
		{"closed", closed, noInput},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// Without a /proc the reader is unknown.
			if got := waitingInput(tt.in, t.TempDir()); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
			_ = tt.in.Close() // it was only looked at
		})
	}
}
