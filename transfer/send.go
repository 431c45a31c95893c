package transfer

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"sync/atomic"

	"tutti/fanout"
)

// maxRenames is how often a file is sent whose temporary file another copy of the same
// file has removed.
const maxRenames = 3

// A sending is an item on its way to its place.
type sending struct {
	placed
	path string
	// old is what is there; nil: nothing is.
	old *Entry
	// same says that it has the content of the item.
	same bool
}

func (j *copying) plan(d *dirJob, it placed, old Entry, has bool) sending {
	f := sending{placed: it, path: path.Join(d.path, it.name)}
	if has {
		f.old = &old
	}
	return f
}

// send brings one item to its place, and says so. An error ends the whole copy.
func (j *copying) send(ctx context.Context, f sending) error {
	state, counted, err := j.sendOne(ctx, f)
	if err != nil {
		if isFatal(ctx, err) {
			j.done.Add(-counted)
			return err
		}
		j.done.Add(f.Size - counted)
		return j.log.failed(f.path, err)
	}
	said := fanout.File{State: state, Path: f.path, Bytes: f.Size}
	if f.Link == "" {
		j.done.Add(f.Size - counted)
		if said.SHA256, err = f.Sum(ctx); err != nil {
			return j.log.failed(f.path, err)
		}
	}
	return j.log.say(said)
}

// sendOne brings f to its place. counted is how many bytes of it Moved has heard of.
func (j *copying) sendOne(ctx context.Context, f sending) (state string, counted int64, err error) {
	if f.old != nil && f.old.Mode.IsDir() {
		return "", 0, errors.New("a directory is in its place")
	}
	if f.old != nil && f.Link == "" && !f.old.Mode.IsRegular() && f.old.Mode&fs.ModeSymlink == 0 {
		return "", 0, errors.New(kindOf(f.old.Mode) + " is in its place")
	}
	if f.Link != "" {
		state, err = j.sendLink(ctx, f)
		return state, 0, err
	}
	if f.same {
		return fanout.FileUnchanged, 0, j.adorn(ctx, f)
	}
	if _, err := f.Sum(ctx); err != nil {
		return "", 0, err
	}
	if j.Look {
		return fanout.FileWouldSend, 0, nil
	}
	var sent atomic.Int64
	for try := 1; ; try++ {
		err = j.remote.Put(ctx, j.upload(f, &sent))
		if !errors.Is(err, ErrTempGone) || try == maxRenames {
			return fanout.FileSent, sent.Load(), err
		}
	}
}

// upload is how f is to be written. sent counts what was read of it.
func (j *copying) upload(f sending, sent *atomic.Int64) Upload {
	perm := j.permOf(f)
	u := Upload{
		Path: f.path, Temp: tempFor(f.path), Size: f.Size,
		Attributes: Attributes{Perm: &perm, Time: j.timeOf(f.Item), Owner: j.Owner},
		Open: func() (io.ReadCloser, error) {
			j.done.Add(-sent.Swap(0)) // it starts again
			content, err := f.open()
			if err != nil {
				return nil, err
			}
			return &counting{content, func(n int64) { sent.Add(n); j.done.Add(n) }}, nil
		},
	}
	if f.old != nil && f.old.Mode.IsRegular() {
		u.Keep = f.old
		if j.Backup {
			u.Backup = f.path + "~"
		}
	}
	return u
}

// permOf are the permission bits that f gets.
func (j *copying) permOf(f sending) fs.FileMode {
	switch {
	case j.Perm != nil:
		return *j.Perm
	case j.Preserve:
		return f.Perm
	case f.old != nil && f.old.Mode.IsRegular():
		return f.old.Mode.Perm()
	}
	return f.Perm &^ 0o022
}

// adorn gives a file whose content stays what it is to have besides.
func (j *copying) adorn(ctx context.Context, f sending) error {
	a := Attributes{Owner: j.Owner}
	if perm := j.permOf(f); perm != f.old.Mode.Perm() {
		a.Perm = &perm
	}
	if t := j.timeOf(f.Item); !t.IsZero() && t.Unix() != f.old.Time.Unix() {
		a.Time = t
	}
	if j.Look || a == (Attributes{}) {
		return nil
	}
	return j.remote.Adorn(ctx, f.path, a)
}

// sendLink makes a symbolic link.
func (j *copying) sendLink(ctx context.Context, f sending) (string, error) {
	if f.old != nil && f.old.Mode&fs.ModeSymlink != 0 {
		text, err := j.remote.Target(ctx, f.path)
		if isFatal(ctx, err) {
			return "", err
		}
		if err == nil && text == f.Link {
			return fanout.FileUnchanged, nil
		}
	}
	if j.Look {
		return fanout.FileWouldSend, nil
	}
	return fanout.FileSent, j.remote.Link(ctx, f.path, tempFor(f.path), f.Link)
}

// counting tells how much of a content is read.
type counting struct {
	io.ReadCloser
	tell func(n int64)
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.tell(int64(n))
	return n, err
}
