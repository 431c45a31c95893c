package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// errChanged is a file that is no longer what it was when the run was decided.
var errChanged = errors.New("it changed while it was sent")

// An Item is a file or a symbolic link that is sent. Each host reads it at its own pace;
// that it is the same for all is made sure of by looking at it before and after.
type Item struct {
	// Path is where it is on this machine, Name what it is called where it goes.
	Path, Name string
	Size       int64
	Perm       fs.FileMode
	Time       time.Time
	// Link is what a link says; empty: it is a file.
	Link string

	info fs.FileInfo
	// turn is held by who computes or reads sum.
	turn chan struct{}
	sum  string
}

func newItem(at, name string, info fs.FileInfo) *Item {
	return &Item{
		Path: at, Name: name, Size: info.Size(), Perm: info.Mode().Perm(), Time: info.ModTime(),
		info: info, turn: make(chan struct{}, 1),
	}
}

// Sum is the SHA-256 of the content, in hexadecimal. The file is read by the first who
// asks.
func (it *Item) Sum(ctx context.Context) (string, error) {
	select {
	case it.turn <- struct{}{}:
		defer func() { <-it.turn }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if it.sum != "" {
		return it.sum, nil
	}
	content, err := it.open()
	if err != nil {
		return "", err
	}
	defer func() { _ = content.Close() }() // it was only read
	h := sha256.New()
	if _, err := io.Copy(h, readerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return content.Read(p)
	})); err != nil {
		return "", err
	}
	it.sum = hex.EncodeToString(h.Sum(nil))
	return it.sum, nil
}

// SumOf is the SHA-256, in hexadecimal, of what write writes.
func SumOf(write func(io.Writer) error) (string, error) {
	h := sha256.New()
	err := write(h)
	return hex.EncodeToString(h.Sum(nil)), err
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// open returns the content.
func (it *Item) open() (io.ReadCloser, error) {
	f, err := os.Open(it.Path)
	if err != nil {
		return nil, &SourceError{it.Path, reasonOf(err)}
	}
	c := &content{item: it, file: f, left: it.Size}
	if err := c.check(); err != nil {
		_ = f.Close() // it was only read
		return nil, err
	}
	return c, nil
}

// content reads an item to its size, and then makes sure that it is still the same.
type content struct {
	item *Item
	file *os.File
	left int64
}

func (c *content) Read(p []byte) (int, error) {
	if c.left == 0 {
		if err := c.check(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	n, err := c.file.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	switch {
	case n > 0:
		return n, nil // an error comes again
	case errors.Is(err, io.EOF):
		return 0, &SourceError{c.item.Path, errChanged}
	case err != nil:
		return 0, &SourceError{c.item.Path, reasonOf(err)}
	}
	return 0, nil
}

// check reports a file that is not what it was.
func (c *content) check() error {
	now, err := c.file.Stat()
	if err != nil {
		return &SourceError{c.item.Path, reasonOf(err)}
	}
	was := c.item.info
	if now.Size() != c.item.Size || !now.ModTime().Equal(was.ModTime()) || !os.SameFile(was, now) {
		return &SourceError{c.item.Path, errChanged}
	}
	return nil
}

func (c *content) Close() error { return c.file.Close() }

// reasonOf is err without the path that it names.
func reasonOf(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
