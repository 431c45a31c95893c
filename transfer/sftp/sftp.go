// Package sftp is the file system of a host as the SFTP subsystem of its SSH server
// shows it.
package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/pkg/sftp"

	"tutti/fanout"
	"tutti/transfer"
)

const (
	// maxListing is how many bytes a directory's listing may have: hosts could go on for
	// ever.
	maxListing = 64 << 20
	// parallel is how many files at once hide the time that answers take.
	parallel = 16
	// inFlight is how many bytes of a file are on their way in all of a run, and
	// packet how many are in one request.
	inFlight = 64 << 20
	packet   = 32 << 10
)

// ErrUnsuitable is a host without an SFTP subsystem, or with one that cannot replace a
// file in one step.
var ErrUnsuitable = errors.New("the host has no SFTP that can replace a file in one step")

// Options are what Open needs besides the host.
type Options struct {
	// Hosts is how many hosts there are at once: they share the memory.
	Hosts int
	// Sums computes SHA-256 sums on the host, for less than what reading the files takes;
	// nil, or an error: they are read.
	Sums func(ctx context.Context, files []string) (map[string]string, error)
	// Expand expands patterns by a shell of the host; nil, or an error: SFTP has to do.
	Expand func(ctx context.Context, pattern string) ([]string, error)
	// ReadOnly accepts a host that cannot replace a file in one step.
	ReadOnly bool
}

// A Remote is the file system of a host.
type Remote struct {
	opts     Options
	client   *sftp.Client
	wire     *meter
	requests int // of one file at once
	canSync  bool
	canLink  bool
}

var _ transfer.Remote = (*Remote)(nil)

// Open starts the subsystem. The error is ErrUnsuitable where another way is to be used.
func Open(ctx context.Context, host fanout.Sessions, opts Options) (*Remote, error) {
	channel, err := host.Subsystem(ctx, "sftp")
	if errors.Is(err, fanout.ErrNoSubsystem) {
		return nil, ErrUnsuitable
	}
	if err != nil {
		return nil, &transfer.BrokenError{Err: err}
	}
	wire := &meter{ReadWriteCloser: channel}
	requests := max(8, min(64, inFlight/packet/max(1, opts.Hosts)))
	client, err := sftp.NewClientPipe(wire, wire, sftp.MaxConcurrentRequestsPerFile(requests), sftp.UseConcurrentWrites(true))
	if err != nil {
		_ = channel.Close() // it has failed already
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, ErrUnsuitable // where the subsystem is configured and absent, too
	}
	r := &Remote{opts: opts, client: client, wire: wire, requests: requests}
	_, renames := client.HasExtension("posix-rename@openssh.com")
	_, r.canSync = client.HasExtension("fsync@openssh.com")
	_, r.canLink = client.HasExtension("hardlink@openssh.com")
	if !renames && !opts.ReadOnly {
		_ = client.Close() // nothing was done on it
		return nil, ErrUnsuitable
	}
	return r, nil
}

// Parallel is how many calls at once help.
func (r *Remote) Parallel() int { return parallel }

// Close ends the subsystem.
func (r *Remote) Close() error { return r.client.Close() }

// Look describes what is at path.
func (r *Remote) Look(_ context.Context, path string, follow bool) (transfer.Entry, error) {
	stat := r.client.Lstat
	if follow {
		stat = r.client.Stat
	}
	info, err := stat(path)
	if err != nil {
		return transfer.Entry{}, said(err)
	}
	return entryOf(info), nil
}

func entryOf(info fs.FileInfo) transfer.Entry {
	e := transfer.Entry{Name: info.Name(), Mode: info.Mode(), Size: info.Size(), Time: info.ModTime(), UID: -1, GID: -1}
	if st, ok := info.Sys().(*sftp.FileStat); ok {
		e.UID, e.GID = int(st.UID), int(st.GID)
	}
	return e
}

// List describes what is in dir.
func (r *Remote) List(ctx context.Context, dir string) ([]transfer.Entry, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer r.wire.bound(maxListing, func() { cancel(errListing) })()
	infos, err := r.client.ReadDirContext(ctx, dir)
	if errors.Is(context.Cause(ctx), errListing) {
		return nil, errListing
	}
	if err != nil {
		return nil, said(err)
	}
	entries := make([]transfer.Entry, len(infos))
	for i, info := range infos {
		entries[i] = entryOf(info)
	}
	return entries, nil
}

var errListing = fmt.Errorf("its listing is longer than %d MiB", maxListing>>20)

// Sums are the SHA-256 sums of files.
func (r *Remote) Sums(ctx context.Context, files []string) (map[string]string, error) {
	var sums map[string]string
	if r.opts.Sums != nil {
		var err error
		if sums, err = r.opts.Sums(ctx, files); err == nil {
			return sums, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	sums = make(map[string]string, len(files))
	for _, file := range files {
		sum, err := transfer.SumOf(func(w io.Writer) error { return r.Get(ctx, file, transfer.Part{}, w) })
		switch {
		case err == nil:
			sums[file] = sum
		case errors.As(err, new(*transfer.BrokenError)) || ctx.Err() != nil:
			return nil, err
		}
	}
	return sums, nil
}

// Link makes a symbolic link.
func (r *Remote) Link(_ context.Context, path, temp, text string) error {
	if err := r.client.Symlink(text, temp); err != nil {
		return said(err)
	}
	if err := r.client.PosixRename(temp, path); err != nil {
		_ = r.client.Remove(temp) // the first error counts
		return said(err)
	}
	return nil
}

// Target is where a link leads.
func (r *Remote) Target(_ context.Context, path string) (string, error) {
	text, err := r.client.ReadLink(path)
	return text, said(err)
}

// MakeDir makes a directory.
func (r *Remote) MakeDir(_ context.Context, path string, perm fs.FileMode) error {
	if err := r.client.Mkdir(path); err != nil {
		return said(err)
	}
	return said(r.client.Chmod(path, perm))
}

// Adorn sets attributes.
func (r *Remote) Adorn(_ context.Context, path string, a transfer.Attributes) error {
	if a.Owner != "" {
		return errors.New("SFTP does not know the names of users")
	}
	if a.Perm != nil {
		if err := r.client.Chmod(path, *a.Perm); err != nil {
			return said(err)
		}
	}
	if !a.Time.IsZero() {
		return said(r.client.Chtimes(path, a.Time, a.Time))
	}
	return nil
}

// Remove removes files.
func (r *Remote) Remove(_ context.Context, files []string) error {
	var errs []error
	for _, f := range files {
		if err := r.client.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, said(err))
		}
	}
	return errors.Join(errs...)
}

// Expand expands a pattern.
func (r *Remote) Expand(ctx context.Context, pattern string) ([]string, error) {
	if r.opts.Expand != nil {
		paths, err := r.opts.Expand(ctx, pattern)
		if err == nil {
			return paths, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	defer r.wire.bound(maxListing, func() { _ = r.client.Close() })()
	paths, err := r.client.Glob(path.Clean(pattern))
	return paths, said(err)
}

// Get writes the part of a file to w.
func (r *Remote) Get(ctx context.Context, path string, part transfer.Part, w io.Writer) error {
	file, err := r.client.Open(path)
	if err != nil {
		return said(err)
	}
	defer func() { _ = file.Close() }() // it was only read
	if part.Last > 0 {
		info, err := file.Stat()
		if err != nil {
			return said(err)
		}
		if _, err := file.Seek(max(0, info.Size()-part.Last), io.SeekStart); err != nil {
			return said(err)
		}
	}
	return said(pour(ctx, file, part.Most, w))
}

// pour copies file to w until its end, or most bytes of it if that is not 0. Files such as
// those of /proc have a size of 0 and a content, so that only reading finds the end.
func pour(ctx context.Context, file *sftp.File, most int64, w io.Writer) error {
	buf := make([]byte, packet)
	if most > packet {
		buf = make([]byte, min(most, 8*packet))
	}
	for left := most; most == 0 || left > 0; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		room := buf
		if most > 0 {
			room = buf[:min(int64(len(buf)), left)]
		}
		n, err := file.Read(room)
		if n > 0 {
			if _, err := w.Write(room[:n]); err != nil {
				return err
			}
			left -= int64(n)
			continue // an error comes again
		}
		if errors.Is(err, io.EOF) || err == nil {
			return nil
		}
		return err
	}
	return nil
}
