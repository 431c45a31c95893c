package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"tutti/fanout"
)

// errExists is a file that is not replaced.
var errExists = errors.New("a file with another content is here already")

// errTooMuch is a host that sends more than it has said.
var errTooMuch = errors.New("the host sends more than it said")

// content brings a regular file.
func (j *fetching) content(ctx context.Context, a arriving, said *fanout.File) error {
	here, err := j.root.Lstat(a.local)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		here = nil
	case err != nil:
		return &LocalError{err}
	case !here.Mode().IsRegular() && (!j.Force || here.IsDir()):
		return errorf("%s is in its place here", kindOf(here.Mode()))
	case here.Mode().IsRegular() && j.Last == 0 && here.Size() == a.entry.Size:
		sum, err := j.same(ctx, a)
		if err != nil || sum != "" {
			said.State, said.Bytes, said.SHA256 = fanout.FileUnchanged, here.Size(), sum
			return err
		}
	}
	// Only with its content is it known whether the end of a file is the same.
	if here != nil && !j.Force && j.Last == 0 && a.entry.Size > 0 {
		return errExists
	}
	return j.receive(ctx, a, said, here)
}

// same returns the sum of a file that has the same content here and there; empty: it has
// not, or that is not known.
func (j *fetching) same(ctx context.Context, a arriving) (string, error) {
	sums, err := j.remote.Sums(ctx, []string{a.path})
	if isFatal(ctx, err) {
		return "", err
	}
	sum, err := j.sumHere(a.local)
	if err != nil {
		return "", err
	}
	if sums[a.path] != sum {
		return "", nil
	}
	return sum, nil
}

func (j *fetching) sumHere(local string) (string, error) {
	f, err := j.root.Open(local)
	if err != nil {
		return "", &LocalError{err}
	}
	defer func() { _ = f.Close() }() // it was only read
	return SumOf(func(w io.Writer) error { _, err := io.Copy(w, f); return err })
}

// receive writes the file under a temporary name, and gives it its own when it is whole.
func (j *fetching) receive(ctx context.Context, a arriving, said *fanout.File, here fs.FileInfo) (err error) {
	temp := tempFor(a.local)
	file, err := j.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &LocalError{err}
	}
	defer func() { _ = j.root.Remove(temp) }() // it has its own name then, or is of no use
	part := Part{Last: j.Last, Most: a.entry.Size}
	if part.Most == 0 {
		part.Most = maxUnsized
	}
	if j.Last > 0 {
		part.Most = j.Last
	}
	to := &receiver{file: file, hash: sha256.New(), left: part.Most, tell: func(n int64) { j.done.Add(n) }}
	err = j.remote.Get(ctx, a.path, part, to)
	if err == nil && a.entry.Size == 0 && j.Last == 0 && to.left == 0 {
		err = errorf("its size is said to be 0, and more than %d MiB have come", maxUnsized>>20)
	}
	if err == nil {
		err = j.settle(file, temp, a)
	}
	if closeErr := file.Close(); err == nil && closeErr != nil {
		err = &LocalError{closeErr}
	}
	if err != nil {
		j.done.Add(-to.size)
		return err
	}
	said.State, said.Bytes, said.SHA256 = fanout.FileSent, to.size, hex.EncodeToString(to.hash.Sum(nil))
	if here != nil && here.Mode().IsRegular() && here.Size() == to.size {
		if sum, err := j.sumHere(a.local); err != nil || sum == said.SHA256 {
			said.State = fanout.FileUnchanged
			return err
		}
	}
	return j.name(temp, a.local)
}

// settle sets what the file has besides its content, and writes it to the disk.
func (j *fetching) settle(file *os.File, temp string, a arriving) error {
	if j.Preserve {
		if err := file.Chmod(a.entry.Mode.Perm()); err != nil {
			return &LocalError{err}
		}
	}
	if err := file.Sync(); err != nil {
		return &LocalError{err}
	}
	if j.Preserve && !a.entry.Time.IsZero() {
		if err := j.root.Chtimes(temp, a.entry.Time, a.entry.Time); err != nil {
			return &LocalError{err}
		}
	}
	return nil
}

// name gives a finished file its name. Without force, what is there is not replaced.
func (j *fetching) name(temp, local string) error {
	if j.Force {
		if err := j.root.Rename(temp, local); err != nil {
			return linkReason(err)
		}
		return nil
	}
	err := j.root.Link(temp, local)
	if errors.Is(err, fs.ErrExist) {
		return errExists
	}
	if err == nil {
		return nil
	}
	if _, lookErr := j.root.Lstat(local); !errors.Is(lookErr, fs.ErrNotExist) {
		return errExists
	}
	if err := j.root.Rename(temp, local); err != nil { // of a file system without hard links
		return linkReason(err)
	}
	return nil
}

func linkReason(err error) error {
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return fmt.Errorf("name it here: %w", e.Err)
	}
	return err
}

// adorn gives a directory what the host's has.
func (j *fetching) adorn(a arriving) error {
	err := j.root.Chmod(a.local, a.entry.Mode.Perm()|0o700)
	if err == nil && !a.entry.Time.IsZero() {
		err = j.root.Chtimes(a.local, a.entry.Time, a.entry.Time)
	}
	if err != nil {
		return j.log.failed(a.path+"/", reasonOf(err))
	}
	return nil
}

// link makes a symbolic link that stays within the host's directory.
func (j *fetching) link(ctx context.Context, a arriving, said *fanout.File) error {
	text, err := j.remote.Target(ctx, a.path)
	if err != nil {
		return err
	}
	if !staysBelow(path.Dir(a.local), text) {
		said.State, said.Error = fanout.FileSkipped, fmt.Sprintf("it is a link that leads elsewhere, to %q", text)
		return nil
	}
	said.State, said.Bytes = fanout.FileSent, int64(len(text))
	if now, err := j.root.Readlink(a.local); err == nil && now == text {
		said.State = fanout.FileUnchanged
		return nil
	}
	if !j.Force {
		if err := j.root.Symlink(text, a.local); err != nil {
			return linkReason(err)
		}
		return nil
	}
	temp := tempFor(a.local)
	if err := j.root.Symlink(text, temp); err != nil {
		return linkReason(err)
	}
	if err := j.root.Rename(temp, a.local); err != nil {
		return errors.Join(linkReason(err), j.root.Remove(temp))
	}
	return nil
}

// staysBelow reports whether a link that says text, in the directory dir below a root,
// leads to something below that root. It may go up from its own directory, which is a
// real one, and then only down, through links of which the same holds.
func staysBelow(dir, text string) bool {
	if text == "" || strings.HasPrefix(text, "/") || strings.ContainsRune(text, 0) {
		return false
	}
	depth := 0
	if dir != "." {
		depth = strings.Count(dir, "/") + 1
	}
	down := false
	for element := range strings.SplitSeq(text, "/") {
		switch element {
		case "", ".":
		case "..":
			if depth--; down || depth < 0 {
				return false
			}
		default:
			down = true
		}
	}
	return true
}

// receiver takes a file from a host.
type receiver struct {
	file       *os.File
	hash       hash.Hash
	size, left int64
	tell       func(n int64)
}

func (r *receiver) Write(p []byte) (int, error) {
	if int64(len(p)) > r.left {
		return 0, errTooMuch
	}
	n, err := r.file.Write(p)
	r.hash.Write(p[:n])
	r.size += int64(n)
	r.left -= int64(n)
	r.tell(int64(n))
	if err != nil {
		return n, &LocalError{err}
	}
	return n, nil
}
