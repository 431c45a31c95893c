package runner

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ReadsNothing reports whether the plan does not read standard input although its
// command could.
func (d *Decision) ReadsNothing() bool {
	task := &d.Plan.Task
	return task.StdinName == "" && task.Runs()
}

// procDir is where Linux shows its processes.
const procDir = "/proc"

// A Waiting is what waits on standard input.
type Waiting int

// What may wait on standard input.
const (
	noInput       Waiting = iota
	InputForTutti         // data that was piped to tutti
	inputForShell         // the script, or the list, that one of our ancestors reads
	UnknownInput          // data, for an unknown reader
)

// WaitingInput looks, without waiting, at the data on stdin. Data that no flag reads
// was probably meant for the hosts; a script that a shell reads from the same stdin is
// not.
func WaitingInput(stdin io.Reader) Waiting { return waitingInput(stdin, procDir) }

func waitingInput(stdin io.Reader, proc string) Waiting {
	f, ok := stdin.(*os.File)
	if !ok {
		return noInput
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return noInput // a file, a terminal and /dev/null are left as they are
	}
	n, err := unix.IoctlGetInt(int(f.Fd()), fionread)
	if err != nil || n == 0 {
		return noInput
	}
	return readerOf(proc, os.Getppid(), info)
}

// maxAncestors is how many ancestors are searched for the reader of a pipe.
const maxAncestors = 16

// wrappers are programs that run another one and leave the input to it, so that
// they are no readers of it.
var wrappers = []string{"sudo", "doas", "su", "runuser", "timeout", "time", "setsid", "flock", "chronic", "strace", "ltrace", "unshare", "nsenter", "firejail"}

// readerOf finds out who reads the data on stdin, from the standard inputs of this
// process's ancestors, of which pid is the nearest: an ancestor with the same pipe
// reads from it, as a shell reads its script.
func readerOf(proc string, pid int, stdin os.FileInfo) Waiting {
	verdict := UnknownInput
	for range maxAncestors {
		name, parent, err := processAt(proc, pid)
		if err != nil {
			return verdict // there is none, or it is out of sight
		}
		if !slices.Contains(wrappers, name) {
			theirs, err := os.Stat(filepath.Join(proc, strconv.Itoa(pid), "fd", "0"))
			switch {
			case err == nil && os.SameFile(theirs, stdin):
				return inputForShell
			case err == nil || os.IsNotExist(err):
				verdict = InputForTutti // its input is another, or closed
			case verdict == UnknownInput:
				return UnknownInput // it may be this one
			}
		}
		pid = parent
	}
	return verdict
}

// processAt is the name of a process and the number of its parent.
func processAt(proc string, pid int) (name string, parent int, err error) {
	data, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", 0, err
	}
	// 12 (name) S 1 …, where the name may hold anything.
	_, rest, _ := strings.Cut(string(data), "(")
	end := strings.LastIndexByte(rest, ')')
	if end < 0 {
		return "", 0, os.ErrInvalid
	}
	words := strings.Fields(rest[end+1:])
	if len(words) < 2 {
		return "", 0, os.ErrInvalid
	}
	parent, err = strconv.Atoi(words[1])
	return rest[:end], parent, err
}
