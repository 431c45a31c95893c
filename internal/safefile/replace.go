package safefile

import (
	"bufio"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// bufferSize is how much is written at once.
const bufferSize = 64 << 10

// Replace makes what write writes the content of the file path, in one step: who
// reads the file sees the old content or all of the new. A new file has mode 0600,
// an old one keeps its mode. Only a regular file is replaced; a pipe is written to, and
// so is a descriptor of this process, such as /dev/stdout. A file that cannot be given up, because it is a mount, or because its
// directory cannot be written, gets the new content in place.
func Replace(path string, write func(io.Writer) error) error {
	p, err := Find(path)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.replace(nil, write)
}

// ReplaceFile is Replace for the file at the place, which is open as old, and which
// keeps its owner too.
func (p *Place) ReplaceFile(old *os.File, write func(io.Writer) error) error {
	return p.replace(old, write)
}

func (p *Place) replace(old *os.File, write func(io.Writer) error) error {
	st, err := p.replaceable()
	if err != nil {
		return err
	}
	if p.fd >= 0 || isPipe(uint32(st.Mode)) {
		return p.writeStream(write)
	}
	there := st.Mode != 0
	f, name, err := p.temp()
	if there && readOnlyDir(err) {
		return p.rewriteBy(write)
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Unlinkat(p.dir, name, 0) }() // it is gone if all went well
	err = fill(f, write)
	if err == nil && there {
		err = f.Chmod(fs.FileMode(st.Mode & 0o777))
	}
	if err == nil && old != nil {
		err = keepOwner(f, old)
	}
	if err == nil {
		err = f.Sync() // without this a crash may leave the new name on an empty file
	}
	if err == nil {
		err = p.rename(f, name, there)
	}
	return errors.Join(err, f.Close())
}

// rename puts f, which is called name, at the place, or its content, if what is
// there is a mount.
func (p *Place) rename(f *os.File, name string, there bool) error {
	err := unix.Renameat(p.dir, name, p.dir, p.name)
	switch {
	case err == nil:
		return nil
	case there && errors.Is(err, unix.EBUSY):
		return p.rewrite(f)
	}
	return &os.LinkError{Op: "rename", Old: filepath.Join(filepath.Dir(p.Path), name), New: p.Path, Err: err}
}

// CheckReplace finds out what would keep Replace from writing to path, and leaves
// everything as it is.
func CheckReplace(path string) error {
	p, err := Find(path)
	if err != nil {
		return err
	}
	defer p.Close()
	st, err := p.replaceable()
	if err != nil || p.fd >= 0 || isPipe(uint32(st.Mode)) {
		return err
	}
	f, name, err := p.temp()
	if st.Mode != 0 && readOnlyDir(err) {
		f, err = p.Open(os.O_WRONLY, 0)
		if err == nil {
			err = f.Close()
		}
		return err
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), unix.Unlinkat(p.dir, name, 0))
}

// CheckRegular is an error unless there is a regular file at path, or nothing.
func CheckRegular(path string) error {
	p, err := Find(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.Close()
	st, err := p.stat()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = regular(p.Path, &st)
	}
	return err
}

// replaceable looks at what is at the place; the mode is 0 if there is nothing.
func (p *Place) replaceable() (unix.Stat_t, error) {
	var st unix.Stat_t
	if p.fd >= 0 {
		return st, p.inherited()
	}
	st, err := p.stat()
	switch {
	case errors.Is(err, fs.ErrNotExist) && !p.linked:
		return unix.Stat_t{}, nil
	case err != nil:
		return st, err
	case isPipe(uint32(st.Mode)):
		return st, nil
	}
	return st, regular(p.Path, &st)
}

// inherited refuses a descriptor that this process was not started with, or that is
// not open for writing.
func (p *Place) inherited() error {
	flags, err := unix.FcntlInt(uintptr(p.fd), unix.F_GETFD, 0)
	if err == nil && flags&unix.FD_CLOEXEC == 0 {
		if flags, err = unix.FcntlInt(uintptr(p.fd), unix.F_GETFL, 0); err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY {
			return nil
		}
	}
	return &fs.PathError{Op: "write to", Path: p.Path, Err: unix.EBADF}
}

// isPipe reports whether something of mode is written to rather than replaced.
func isPipe(mode uint32) bool { return mode&unix.S_IFMT == unix.S_IFIFO }

// openStream opens what is not replaced.
func (p *Place) openStream() (*os.File, error) {
	if p.fd >= 0 {
		return p.duplicate()
	}
	f, err := p.openat(os.O_WRONLY, 0)
	if errors.Is(err, unix.ENXIO) {
		err = errors.New(p.Path + " is a pipe without a reader")
	}
	if err != nil {
		return nil, err
	}
	st, err := statFile(f)
	if err == nil && !isPipe(uint32(st.Mode)) && !isDevice(uint32(st.Mode)) {
		err = &KindError{Path: p.Path, What: kindOf(uint32(st.Mode)), Want: "a pipe"}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// duplicate copies a descriptor of this process, so that closing the copy leaves it
// open; the offset is shared.
func (p *Place) duplicate() (*os.File, error) {
	if err := p.inherited(); err != nil {
		return nil, err
	}
	fd, err := unix.FcntlInt(uintptr(p.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: p.Path, Err: err}
	}
	return os.NewFile(uintptr(fd), p.Path), nil
}

func (p *Place) writeStream(write func(io.Writer) error) error {
	f, err := p.openStream()
	if err != nil {
		return err
	}
	return errors.Join(fill(f, write), f.Close())
}

// temp makes an empty file next to the place.
func (p *Place) temp() (*os.File, string, error) {
	beside := Place{dir: p.dir, name: ".tutti-" + rand.Text(), fd: -1}
	beside.Path = filepath.Join(filepath.Dir(p.Path), beside.name)
	f, err := beside.openat(os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	return f, beside.name, err
}

// readOnlyDir reports whether err says that no file can be made in a directory.
func readOnlyDir(err error) bool {
	return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EROFS)
}

// rewriteBy gives the file at the place the content that write writes, which is
// whole before the file is touched.
func (p *Place) rewriteBy(write func(io.Writer) error) error {
	f, err := os.CreateTemp("", "tutti-*")
	if err != nil {
		return err
	}
	err = os.Remove(f.Name())
	if err == nil {
		err = fill(f, write)
	}
	if err == nil {
		err = p.rewrite(f)
	}
	return errors.Join(err, f.Close())
}

// rewrite copies content into the file at the place. What is equal from the
// beginning is not written, so that lines that are only added are.
func (p *Place) rewrite(content *os.File) error {
	f, err := p.Open(os.O_RDWR, 0)
	if err != nil {
		return err
	}
	same, err := commonLength(f, content)
	if err == nil {
		err = copyFrom(f, content, same)
	}
	return errors.Join(err, f.Close())
}

func copyFrom(f, content *os.File, at int64) error {
	if _, err := content.Seek(at, io.SeekStart); err != nil {
		return err
	}
	n, err := io.Copy(io.NewOffsetWriter(f, at), content)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(at+n), f.Sync())
}

// commonLength is how many bytes a and b begin with alike.
func commonLength(a, b *os.File) (int64, error) {
	if _, err := b.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	as, bs := bufio.NewReader(a), bufio.NewReader(b)
	for n := int64(0); ; n++ {
		x, err1 := as.ReadByte()
		y, err2 := bs.ReadByte()
		if err := errors.Join(err1, err2); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return 0, err
		}
		if x != y {
			return n, nil
		}
	}
}

func fill(f *os.File, write func(io.Writer) error) error {
	w := bufio.NewWriterSize(f, bufferSize)
	return errors.Join(write(w), w.Flush())
}

// keepOwner gives f, which was made here, the owner of old.
func keepOwner(f, old *os.File) error {
	was, err := statFile(old)
	if err != nil || int(was.Uid) == os.Geteuid() {
		return err
	}
	return f.Chown(int(was.Uid), int(was.Gid))
}
