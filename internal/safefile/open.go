package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// A KindError is something at a path that is not what has to be there.
type KindError struct {
	Path string
	// What it is: "a directory", "a named pipe", …
	What string
	// Want is what it should be.
	Want string
}

func (e *KindError) Error() string {
	return fmt.Sprintf("%s is not %s but %s", e.Path, e.Want, e.What)
}

const wantRegular = "a regular file"

// kindOf is what a file of mode is.
func kindOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return wantRegular
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFIFO:
		return "a named pipe"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFBLK, unix.S_IFCHR:
		return "a device"
	}
	return "another kind of file"
}

// regular refuses what is not a regular file.
func regular(path string, st *unix.Stat_t) error {
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return &KindError{Path: path, What: kindOf(uint32(st.Mode)), Want: wantRegular}
	}
	return nil
}

// openat opens what is at the place without following a link and without
// waiting.
func (p *Place) openat(flags int, perm uint32) (*os.File, error) {
	for {
		fd, err := unix.Openat(p.dir, p.name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, perm)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), p.Path), nil
		case !errors.Is(err, unix.EINTR):
			return nil, &fs.PathError{Op: "open", Path: p.Path, Err: err}
		}
	}
}

// Open opens the regular file at the place with flags such as os.O_RDWR; os.O_CREATE
// makes it. It looks at the file before it opens it, because opening some devices
// does something, and after.
func (p *Place) Open(flags int, perm fs.FileMode) (*os.File, error) {
	for {
		f, err := p.open(flags, perm)
		if errors.Is(err, fs.ErrNotExist) && flags&os.O_CREATE != 0 {
			f, err = p.openat(flags|os.O_EXCL, uint32(perm.Perm()))
			if errors.Is(err, fs.ErrExist) {
				continue // another process was faster
			}
		}
		return f, err
	}
}

// open opens the regular file that is there.
func (p *Place) open(flags int, _ fs.FileMode) (*os.File, error) {
	st, err := p.stat()
	if err != nil {
		return nil, err
	}
	if err := regular(p.Path, &st); err != nil {
		return nil, err
	}
	f, err := p.openat(flags&^(os.O_CREATE|os.O_TRUNC), 0)
	if err != nil {
		return nil, err
	}
	if err := p.check(f); err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	if flags&os.O_TRUNC != 0 {
		if err := f.Truncate(0); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

// check refuses an open file that is not regular, or to which another user may
// have given one of its names.
func (p *Place) check(f *os.File) error {
	st, err := statFile(f)
	if err != nil {
		return err
	}
	if err := regular(p.Path, &st); err != nil || st.Nlink == 1 {
		return err
	}
	var dir unix.Stat_t
	if err := unix.Fstatat(p.dir, ".", &dir, 0); err != nil {
		return &fs.PathError{Op: "stat", Path: p.Path, Err: err}
	}
	if trusted(int(dir.Uid)) && !crowded(&dir) || dir.Uid == st.Uid && !crowded(&dir) {
		return nil
	}
	return fmt.Errorf("%s has %d hard links, in a directory of other users", p.Path, st.Nlink)
}

// isDevice reports whether something of mode is a terminal, /dev/null, and the like.
func isDevice(mode uint32) bool { return mode&unix.S_IFMT == unix.S_IFCHR }

func statFile(f *os.File) (unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return st, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return st, nil
}

// Current reports whether f is what is at the place.
func (p *Place) Current(f *os.File) bool {
	open, err := statFile(f)
	if err != nil {
		return false
	}
	there, err := p.stat()
	return err == nil && open.Dev == there.Dev && open.Ino == there.Ino
}

// Create makes the file at path, with mode 0600, or empties the one that is
// there. A descriptor of this process, such as /dev/stderr, is written to as it
// is.
func Create(path string) (*os.File, error) {
	p, err := Find(path)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if st, err := p.stat(); p.fd >= 0 || err == nil && (isPipe(uint32(st.Mode)) || isDevice(uint32(st.Mode))) {
		return p.openStream()
	}
	return p.Open(os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}

// OpenOwn opens the file at path for reading and writing, and makes it with mode
// 0600 if there is none. It is a file next to one of the user uid: it must belong to
// that user, this one or root, and have no other name. One that is made here
// by root is given to uid and gid.
func OpenOwn(path string, uid, gid int) (*os.File, error) {
	p, err := findEntry(path)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	for {
		f, err := p.openat(os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			return given(f, uid, gid)
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err = p.openOwn(os.O_RDWR, uid)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
}

// given is f, which was made here, in the hands of uid if root has made it.
func given(f *os.File, uid, gid int) (*os.File, error) {
	if os.Geteuid() != 0 || uid == 0 {
		return f, nil
	}
	if err := f.Chown(uid, gid); err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

// ReadOwn is OpenOwn for reading only. It makes nothing: the error wraps
// fs.ErrNotExist.
func ReadOwn(path string, uid int) (*os.File, error) {
	p, err := findEntry(path)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.openOwn(os.O_RDONLY, uid)
}

func (p *Place) openOwn(flags, uid int) (*os.File, error) {
	f, err := p.open(flags, 0)
	if err != nil {
		return nil, err
	}
	st, err := statFile(f)
	if err == nil {
		err = own(p.Path, &st, uid)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

// CheckOwn looks at the file at path, which must be as for OpenOwn; there need
// not be one.
func CheckOwn(path string, uid int) error {
	p, err := findEntry(path)
	if err != nil {
		return err
	}
	defer p.Close()
	st, err := p.stat()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = own(p.Path, &st, uid)
	}
	return err
}

func own(path string, st *unix.Stat_t, uid int) error {
	if err := regular(path, st); err != nil {
		return err
	}
	switch owner := int(st.Uid); {
	case owner != uid && !trusted(owner):
		return fmt.Errorf("%s belongs to another user (user id %d)", path, owner)
	case st.Nlink > 1:
		return fmt.Errorf("%s has %d hard links", path, st.Nlink)
	}
	return nil
}
