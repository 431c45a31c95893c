package fanout

import (
	"context"
	"io"
)

// A Transfer moves files between this machine and the target.
type Transfer struct {
	// Label is what people call it: the words by which it was asked for, such as
	// "copy web app.conf /etc/".
	Label string
	// Fetch says that the files come from the target; else they go there.
	Fetch bool
	// Sources are the files as they were named, and Dest where they go.
	Sources []string
	Dest    string
	// Mover moves the files; nil in a record.
	Mover Mover
}

// A Mover moves files, over the connection that an executor has. Many goroutines call it
// at once.
type Mover interface {
	// Move makes one attempt. It says on stdout what became of each file, as the Line of
	// a File, and on stderr why one failed, and reports how the command of a host is
	// reported: with an exit whose code is not 0 if a file failed, and a failure if there
	// is no more to be known. When ctx is done it may take a moment to remove from the
	// target what is incomplete.
	Move(ctx context.Context, a Attempt, host Sessions, stdout, stderr io.Writer) (*Exit, *Failure)
	// Moved is how many bytes of how many have been dealt with so far, on all targets of
	// the run. A total of 0 is not known.
	Moved() (done, total int64)
}

// Sessions are those of a target's connection. They end with the attempt.
type Sessions interface {
	// Subsystem starts the SSH subsystem of that name. The error is ErrNoSubsystem if
	// the host does not have it.
	Subsystem(ctx context.Context, name string) (io.ReadWriteCloser, error)
	// Run runs p, alongside the others if the host allows it, and reports how that went.
	Run(ctx context.Context, p Program, stdout, stderr io.Writer) Report
}

// A Program is what a mover runs on the target.
type Program struct {
	// Text is read by a POSIX shell, whatever the login shell is.
	Text string
	// Stdin is what it reads.
	Stdin Input
	// Sudo makes it run as another user. Nil: as the one logged in.
	Sudo *Sudo
}

func (*Transfer) isAction() {}

// transferJSON is the recorded form of a Transfer.
type transferJSON struct {
	Fetch   bool     `json:"fetch,omitempty"`
	Sources []string `json:"sources"`
	Dest    string   `json:"dest"`
}

func (t *Transfer) form() *transferJSON { return &transferJSON{t.Fetch, t.Sources, t.Dest} }

func (v *transferJSON) action(label string) Action {
	return &Transfer{Label: label, Fetch: v.Fetch, Sources: v.Sources, Dest: v.Dest}
}
