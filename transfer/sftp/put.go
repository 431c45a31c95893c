package sftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/pkg/sftp"

	"tutti/transfer"
)

// Put writes a file. When ctx is done, what is incomplete is removed.
func (r *Remote) Put(ctx context.Context, u transfer.Upload) (err error) {
	file, err := r.client.OpenFile(u.Temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return said(err)
	}
	closed := false
	defer func() {
		if !closed {
			_ = file.Close() // the first error counts
		}
		if err != nil {
			_ = r.client.Remove(u.Temp) // likewise
		}
	}()
	if err := r.fill(ctx, file, &u); err != nil {
		return r.explain(u, err)
	}
	closed = true
	if err := file.Close(); err != nil {
		return r.explain(u, said(err))
	}
	return r.swap(u)
}

// fill writes the content and sets everything that the file has besides.
func (r *Remote) fill(ctx context.Context, file *sftp.File, u *transfer.Upload) error {
	// What an open file shows to others before it is complete is nobody's business.
	if err := file.Chmod(0o600); err != nil {
		return said(err)
	}
	content, err := u.Open()
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }() // it was only read
	n, err := file.ReadFromWithConcurrency(&stoppable{ctx, content}, r.requests)
	if err != nil {
		return said(err)
	}
	if n != u.Size {
		return fmt.Errorf("%d bytes of %d were sent", n, u.Size)
	}
	info, err := file.Stat()
	if err != nil {
		return said(err)
	}
	if info.Size() != u.Size {
		return fmt.Errorf("the host says that it has %d bytes of %d", info.Size(), u.Size)
	}
	return r.finish(file, entryOf(info), u)
}

// finish sets the attributes of a file that is complete, and has the host write it to
// its disk.
func (r *Remote) finish(file *sftp.File, now transfer.Entry, u *transfer.Upload) error {
	if k := u.Keep; k != nil && k.UID >= 0 && (k.UID != now.UID || k.GID != now.GID) {
		_ = file.Chown(k.UID, k.GID) // only root can do it
	}
	if u.Perm != nil {
		if err := file.Chmod(*u.Perm); err != nil {
			return said(err)
		}
	}
	if !u.Time.IsZero() {
		if err := r.client.Chtimes(u.Temp, u.Time, u.Time); err != nil {
			return said(err)
		}
	}
	if r.canSync {
		return said(file.Sync())
	}
	return nil
}

// swap puts the finished file in its place.
func (r *Remote) swap(u transfer.Upload) error {
	if u.Backup != "" {
		if err := r.backUp(u); err != nil {
			return fmt.Errorf("keep the old file as %s: %w", path.Base(u.Backup), err)
		}
	}
	err := said(r.client.PosixRename(u.Temp, u.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return transfer.ErrTempGone
	}
	return err
}

// backUp gives the old file another name besides its own.
func (r *Remote) backUp(u transfer.Upload) error {
	if !r.canLink {
		return errors.New("the host has no hard links by SFTP")
	}
	temp := u.Temp + "~"
	if err := r.client.Link(u.Path, temp); err != nil {
		return said(err)
	}
	if err := r.client.PosixRename(temp, u.Backup); err != nil {
		_ = r.client.Remove(temp) // the first error counts
		return said(err)
	}
	_ = r.client.Remove(temp) // it is left where both were one file
	return nil
}

// explain says more of a file that could not be written: SFTP itself has no word for a
// disk that is full.
func (r *Remote) explain(u transfer.Upload, err error) error {
	if status, ok := errors.AsType[*sftp.StatusError](err); !ok || status.FxCode() != sftp.ErrSSHFxFailure {
		return err
	}
	disk, vfsErr := r.client.StatVFS(path.Dir(u.Temp))
	if vfsErr != nil {
		return err
	}
	if free := disk.FreeSpace(); free < uint64(u.Size) {
		return fmt.Errorf("no space left there: %d bytes are free, and it has %d", free, u.Size)
	}
	return err
}
