package transfer

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"time"

	"tutti/fanout"
)

// A Remote is the file system of a host during one attempt. Paths are slash-separated,
// and relative to where a login leads. Errors wrap fs.ErrNotExist and fs.ErrPermission
// where the host says so; a *BrokenError is the end of the whole transfer. Several
// goroutines may call it at once.
type Remote interface {
	// Look describes what is at path. With follow it is what a link there leads to.
	Look(ctx context.Context, path string, follow bool) (Entry, error)
	// List describes what is in a directory, as the host says it: names may be anything.
	List(ctx context.Context, dir string) ([]Entry, error)
	// Sums are the SHA-256 sums of files, in hexadecimal, by path. Those that the host
	// cannot tell are left out.
	Sums(ctx context.Context, files []string) (map[string]string, error)
	// Put writes a file as a whole, or leaves what was there.
	Put(ctx context.Context, u Upload) error
	// Link makes a symbolic link to text at path, in place of a file or link there,
	// under the name temp at first.
	Link(ctx context.Context, path, temp, text string) error
	// Target is where the link at path leads.
	Target(ctx context.Context, path string) (string, error)
	// MakeDir makes one directory.
	MakeDir(ctx context.Context, path string, perm fs.FileMode) error
	// Adorn sets what a says of a file or directory that is there.
	Adorn(ctx context.Context, path string, a Attributes) error
	// Remove removes files. What is absent is no error.
	Remove(ctx context.Context, files []string) error
	// Get writes the part of a file to w.
	Get(ctx context.Context, path string, part Part, w io.Writer) error
	// Expand returns the paths that a pattern of the shell matches.
	Expand(ctx context.Context, pattern string) ([]string, error)
	// Parallel is how many calls at once help.
	Parallel() int
	// Close ends the sessions.
	Close() error
}

// An Entry is what a host says about a file.
type Entry struct {
	// Name in its directory.
	Name string
	// Mode has the type and the permission bits.
	Mode fs.FileMode
	Size int64
	// Time of the last change of the content; zero: not known.
	Time time.Time
	// UID and GID are its owner; -1: not known.
	UID, GID int
}

// Attributes are what a file has besides its content.
type Attributes struct {
	// Perm are the permission bits; nil: they stay.
	Perm *fs.FileMode
	// Time of the last change of the content; zero: it stays.
	Time time.Time
	// Owner is USER, USER:GROUP or :GROUP; empty: it stays.
	Owner string
}

// An Upload is a file to be written.
type Upload struct {
	Path, Temp string
	Size       int64
	Attributes
	// Keep is the file that is replaced, whose owner the new one gets if the host
	// allows it; nil: there is none.
	Keep *Entry
	// Backup is the name by which the old file is kept; empty: it is not.
	Backup string
	// Open returns the content, of Size bytes. Its errors are *SourceErrors.
	Open func() (io.ReadCloser, error)
}

// A Part is a part of a file.
type Part struct {
	// Last is how many bytes at the end are read; 0: all.
	Last int64
	// Most is how many bytes are read at most; 0: until the end.
	Most int64
}

// A BrokenError is a transfer that cannot go on: the host has ended it, or breaks its
// rules.
type BrokenError struct {
	// Failure is what is known of it; nil: only Err.
	Failure *fanout.Failure
	Err     error
}

func (e *BrokenError) Error() string {
	if e.Failure != nil {
		return e.Failure.Text()
	}
	return fmt.Sprintf("the host ended the file transfer: %v", e.Err)
}

// Unwrap returns Err.
func (e *BrokenError) Unwrap() error { return e.Err }

func (e *BrokenError) failure() *fanout.Failure {
	if e.Failure != nil {
		return e.Failure
	}
	return &fanout.Failure{Op: fanout.OpNoStatus, Message: e.Error()}
}

// A SourceError is a file of this machine that cannot be sent.
type SourceError struct {
	Path string
	Err  error
}

func (e *SourceError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap returns Err.
func (e *SourceError) Unwrap() error { return e.Err }
