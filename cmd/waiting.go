package cmd

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tutti/runner"
)

// waitingData says that data waits on standard input which is not going to be
// read, and the two ways out.
const (
	waitingData    = "data is waiting on standard input: --stdin - sends it to every host, < /dev/null drops it"
	waitingUnsure  = "data is waiting on standard input and is not sent: --stdin - sends it to every host, < /dev/null drops it"
	waitingArrived = "data has arrived on standard input and was not sent: --stdin - sends it to every host, < /dev/null drops it"
	waitingForJob  = "data is waiting on standard input, and a job reads none: < /dev/null drops it"
)

// checkWaiting refuses to begin, with text, while data waits on standard input
// that nothing is going to read: it was meant for the hosts. A script that a
// shell reads from there is not ours, and goes on. Where it cannot be told
// which of them it is, there is a warning.
func (a *app) checkWaiting(text string, warn func(string)) error {
	switch a.waiting(procDir) {
	case meantForUs:
		return usagef("%s", text)
	case notKnown:
		warn(waitingUnsure)
	}
	return nil
}

// readsNothing reports whether d leaves our standard input alone though its
// command could read it.
func readsNothing(d *runner.Decision) bool {
	task := &d.Plan.Task
	return task.StdinName == "" && task.Command != ""
}

// checkInput is checkWaiting before d is carried out; what a job fires has no
// standard input of ours.
func (l *launching) checkInput(d *runner.Decision) error {
	if l.firing != nil || !readsNothing(d) {
		return nil
	}
	return l.checkWaiting(waitingData, l.warn)
}

// warnOfArrived warns of data that came too late to be refused.
func (l *launching) warnOfArrived(ctx context.Context, d *runner.Decision) {
	if l.firing == nil && readsNothing(d) && ctx.Err() == nil && l.waiting(procDir) == meantForUs {
		l.warn(waitingArrived)
	}
}

// procDir is where Linux shows its processes.
const procDir = "/proc"

// A waiting is what waits on standard input.
type waiting int

const (
	nothing       waiting = iota
	meantForUs            // data that was piped to us
	meantForShell         // the script, or the list, that one of our ancestors reads
	notKnown              // data, of which it cannot be told whose it is
)

// waiting looks, without waiting, at what waits on standard input.
func (a *app) waiting(proc string) waiting {
	f, ok := a.In.(*os.File)
	if !ok {
		return nothing
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return nothing // a file, a terminal and /dev/null are left as they are
	}
	n, err := unix.IoctlGetInt(int(f.Fd()), fionread)
	if err != nil || n == 0 {
		return nothing
	}
	return readerOf(proc, os.Getppid(), info)
}

// maxAncestors is how far up is looked for the reader of a pipe.
const maxAncestors = 16

// wrappers are programs that run another one and leave the input to it, so that
// they are no readers of it.
var wrappers = []string{"sudo", "doas", "su", "runuser", "timeout", "time", "setsid", "flock", "chronic", "strace", "ltrace", "unshare", "nsenter", "firejail"}

// readerOf says whose the data in our standard input is, from what the ancestors
// of ours, of which pid is the nearest, have as theirs: one that shares the pipe
// reads from it, as a shell reads its script.
func readerOf(proc string, pid int, stdin os.FileInfo) waiting {
	verdict := notKnown
	for range maxAncestors {
		name, parent, err := processAt(proc, pid)
		if err != nil {
			return verdict // there is none, or it is out of sight
		}
		if !slices.Contains(wrappers, name) {
			theirs, err := os.Stat(filepath.Join(proc, strconv.Itoa(pid), "fd", "0"))
			switch {
			case err == nil && os.SameFile(theirs, stdin):
				return meantForShell
			case err == nil || os.IsNotExist(err):
				verdict = meantForUs // its input is another, or closed
			case verdict == notKnown:
				return notKnown // it may be this one
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
