package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"tutti/internal/safefile"

	"tutti/store"
)

// A historyFile describes the file at the path of a history.
type historyFile struct {
	// path is absolute and free of symbolic links, so that all processes agree on the
	// names of the files next to it.
	path     string
	uid, gid int
	// info identifies the file.
	info fs.FileInfo
	// foreign: it belongs to another user.
	foreign bool
	// exposed: users other than the owner may read it.
	exposed bool
	// unwritable is why it must not or cannot be written; nil: it can.
	unwritable error
}

// minDatabase is the size of the smallest SQLite database that is not empty.
const minDatabase = 512

// makeFile makes the file and its directory. It must not open an existing file: closing
// it would drop the locks that SQLite holds on it in this process.
func makeFile(path string) error {
	if _, err := safefile.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) // follows no link
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	// A read-only directory is an error also for a file that exists.
	if _, statErr := os.Stat(path); err != nil && statErr == nil {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// inspect looks at the file, which must be there.
func inspect(path string) (historyFile, error) {
	fail := func(kind, cause error) (historyFile, error) {
		return historyFile{}, &store.Error{Op: "open", Path: path, Kind: kind, Err: cause}
	}
	resolved, err := safefile.Resolve(path)
	if err == nil {
		resolved, err = filepath.Abs(resolved)
	}
	if err != nil {
		return fail(kindOfOS(err), err)
	}
	info, err := os.Lstat(resolved)
	switch {
	case err != nil:
		return fail(kindOfOS(err), err)
	case info.IsDir():
		return fail(store.ErrIsDirectory, nil)
	case !info.Mode().IsRegular():
		return fail(store.ErrNotHistory, errors.New("not a regular file"))
	case info.Size() > 0 && info.Size() < minDatabase:
		// SQLite takes such a file for an empty one and writes over it.
		return fail(store.ErrNotHistory, errors.New("not a SQLite database"))
	}
	if err := accessible(resolved, unix.R_OK); err != nil {
		return fail(store.ErrUnreadable, err)
	}
	file := historyFile{path: resolved, info: info, exposed: info.Mode().Perm()&0o077 != 0}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		file.uid, file.gid = int(stat.Uid), int(stat.Gid)
		file.foreign = file.uid != os.Geteuid()
	}
	for _, ending := range besideEndings {
		if err := safefile.CheckOwn(resolved+ending, file.uid); err != nil {
			return fail(store.ErrUnsafe, err)
		}
	}
	file.unwritable = writable(file)
	return file, nil
}

// besideEndings are the endings of the files next to a history, which SQLite and tutti
// open by their names, and which root gives to the owner of the history.
var besideEndings = []string{"-wal", "-shm", "-journal", ".lock"}

// notOwned is the error of a history that another user may write at any time.
func (f historyFile) notOwned() error {
	return &store.Error{Op: "open", Path: f.path, Kind: store.ErrNotOwned, Err: fmt.Errorf("user id %d", f.uid)}
}

// obeyable returns why commands from the history must not be run: another user may have
// written them. Nil: they may.
func (f historyFile) obeyable() error {
	if f.foreign && f.uid != 0 {
		return f.notOwned()
	}
	dir, err := os.Lstat(filepath.Dir(f.path))
	if err != nil {
		return &store.Error{Op: "open", Path: f.path, Kind: kindOfOS(err), Err: err}
	}
	for _, place := range []struct {
		path string
		info fs.FileInfo
	}{{f.path, f.info}, {filepath.Dir(f.path), dir}} {
		err := safefile.CheckWriters(place.info)
		if others, ok := errors.AsType[*safefile.WritersError](err); ok {
			err = others.About(place.path)
		}
		if err != nil {
			return &store.Error{Op: "open", Path: f.path, Kind: store.ErrUnsafe, Err: err}
		}
	}
	return nil
}

// writable returns why the file cannot be written, or nil. SQLite needs to make files
// next to it.
func writable(file historyFile) error {
	if me := os.Geteuid(); me != 0 && me != file.uid {
		return file.notOwned()
	}
	for _, path := range []string{file.path, filepath.Dir(file.path)} {
		if err := accessible(path, unix.W_OK); err != nil {
			return &store.Error{Op: "open", Path: file.path, Kind: store.ErrReadOnly, Err: err}
		}
	}
	return nil
}

// accessible asks the system with the rights that opening the file would have.
func accessible(path string, mode uint32) error {
	if err := unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS); err != nil {
		return &os.PathError{Op: "access", Path: path, Err: err}
	}
	return nil
}

// kindOfOS is the sentinel for an error of the operating system, nil if there
// is none.
func kindOfOS(err error) error {
	switch {
	case errors.As(err, new(*safefile.LinkError)):
		return store.ErrUnsafe
	case errors.Is(err, fs.ErrNotExist):
		return store.ErrNotExist
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return store.ErrFull
	case errors.Is(err, unix.EISDIR):
		return store.ErrIsDirectory
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return store.ErrReadOnly
	}
	return nil
}

// inPlace returns an error that wraps ErrMoved if the open file is not the one at its
// path, since no other process would see a write to it. op is the operation.
func (h *fileHandle) inPlace(op string) error {
	info, err := os.Lstat(h.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(info, h.info):
		return &store.Error{Op: op, Path: h.path, Kind: store.ErrMoved}
	case err != nil:
		return &store.Error{Op: op, Path: h.path, Kind: kindOfOS(err), Err: err}
	}
	return nil
}

// hasLog reports whether there is a write-ahead log with something in it.
func hasLog(path string) bool {
	info, err := os.Lstat(path + "-wal")
	return err == nil && info.Size() > 0
}
