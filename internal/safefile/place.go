package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many links a path may lead through, as on Linux.
const maxLinks = 40

// A LinkError is a link that is not followed, because another user made it.
type LinkError struct {
	// Path of the link.
	Path string
	// UID of its owner.
	UID int
}

func (e *LinkError) Error() string {
	return fmt.Sprintf("%s is a symbolic link of another user (user id %d) and is not followed", e.Path, e.UID)
}

// Hint says what can be done about it.
func (e *LinkError) Hint() string { return "if the link's target is the right file, name that" }

// A Place is a name in a directory that is held open: operations on it happen in that
// directory, even if its path changes. Nothing of that name need exist.
type Place struct {
	// Path is free of links; it is absolute if the path that was asked for was.
	Path string

	dir    int    // descriptor
	name   string // without a slash; "." for a directory without a parent in the path
	linked bool   // the last name was that of a link
	// fd is what the path names if that is a descriptor of this process, such as
	// /dev/stdout; -1: it is not.
	fd int
}

// Find walks path to its place. All directories on the way have to exist.
func Find(path string) (*Place, error) { return find(path, walk{}) }

// findEntry is Find, but a link at the end is the place itself.
func findEntry(path string) (*Place, error) { return find(path, walk{entry: true}) }

// Resolve is path without links.
func Resolve(path string) (string, error) {
	p, err := Find(path)
	if err != nil {
		return "", err
	}
	defer p.Close()
	if _, err := p.stat(); err != nil {
		return "", err
	}
	return p.Path, nil
}

// A walk is on its way to a place.
type walk struct {
	place Place
	rest  string
	links []LinkError
	// tail is how long the rest is behind what the last link leads to.
	tail int
	// slash: the path says that it is one of a directory.
	slash bool
	// entry: a link at the end is not followed.
	entry bool
	// missing is called for a directory that is not there; nil: that is an error.
	missing func(dir int, name string) error
}

func find(path string, w walk) (*Place, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: unix.ENOENT}
	}
	w.place, w.rest, w.slash = Place{dir: -1, fd: -1}, path, strings.HasSuffix(path, "/")
	if err := w.run(); err != nil {
		w.place.Close()
		return nil, err
	}
	return &w.place, nil
}

func (w *walk) run() error {
	start := "."
	if strings.HasPrefix(w.rest, "/") {
		start = "/"
	}
	if err := w.begin(start); err != nil {
		return err
	}
	for {
		name, last := w.next()
		if name == "." || name == ".." {
			if err := w.enter(name); err != nil {
				return &fs.PathError{Op: "open", Path: filepath.Join(w.place.Path, name), Err: err}
			}
			if last {
				w.place.name = "."
				return w.trust()
			}
			continue
		}
		if last {
			w.place.name, w.place.Path = name, filepath.Join(w.place.Path, name)
			if w.descriptor() {
				return nil
			}
		}
		if done, err := w.step(name, last); done || err != nil {
			return err
		}
	}
}

// begin holds the directory open at which the walk, or a link, begins.
func (w *walk) begin(start string) error {
	dir, err := openDir(unix.AT_FDCWD, start)
	if err != nil {
		return &fs.PathError{Op: "open", Path: start, Err: err}
	}
	w.place.Close()
	w.place.dir, w.place.Path = dir, start
	return nil
}

// next takes the first name off the rest.
func (w *walk) next() (name string, last bool) {
	w.rest = strings.TrimLeft(w.rest, "/")
	name, w.rest, _ = strings.Cut(w.rest, "/")
	last = strings.Trim(w.rest, "/") == ""
	if name == "" {
		name = "."
	}
	return name, last
}

// descriptor reports whether the place is one of this process's own descriptors.
func (w *walk) descriptor() bool {
	switch filepath.Dir(w.place.Path) {
	case "/dev/fd", fmt.Sprintf("/proc/%d/fd", os.Getpid()):
		n, err := strconv.Atoi(w.place.name)
		if err == nil && n >= 0 {
			w.place.fd = n
			return true
		}
	}
	return false
}

// step goes to name: into the directory, or on to where the link leads. It is
// done at the last name.
func (w *walk) step(name string, last bool) (done bool, err error) {
	path := w.place.Path
	if !last {
		path = filepath.Join(path, name)
	}
	fail := func(op string, err error) (bool, error) {
		return false, &fs.PathError{Op: op, Path: path, Err: err}
	}
	var st unix.Stat_t
	err = unix.Fstatat(w.place.dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		if last && !w.slash {
			return true, w.trust()
		}
		toNothing := len(w.links) > 0 && len(w.rest) >= w.tail // as a link leads
		if w.missing != nil && !toNothing {
			err = w.missing(w.place.dir, name)
		}
	}
	switch {
	case err != nil:
		return fail("open", err)
	case st.Mode&unix.S_IFMT == unix.S_IFLNK && !(last && w.entry):
		if last {
			w.place.linked = true
			w.place.Path = filepath.Dir(w.place.Path)
		}
		return false, w.follow(name, path, &st)
	case last:
		return true, w.trust()
	}
	if err := w.enter(name); err != nil {
		return fail("open", err)
	}
	w.place.Path = path
	return false, nil
}

// enter goes into the directory name, which must not be a link by now.
func (w *walk) enter(name string) error {
	dir, err := openDir(w.place.dir, name)
	if err != nil {
		return err
	}
	_ = unix.Close(w.place.dir) // only searched
	w.place.dir = dir
	if name == ".." {
		w.place.Path = filepath.Join(w.place.Path, name)
	}
	return nil
}

// follow puts what the link leads to in front of the rest.
func (w *walk) follow(name, path string, st *unix.Stat_t) error {
	if len(w.links) >= maxLinks {
		return &fs.PathError{Op: "open", Path: path, Err: unix.ELOOP}
	}
	link := LinkError{Path: path, UID: int(st.Uid)}
	if err := w.trustHere(link); err != nil {
		return err
	}
	w.links, w.tail = append(w.links, link), len(w.rest)
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(w.place.dir, name, buf)
	if err != nil {
		return &fs.PathError{Op: "readlink", Path: path, Err: err}
	}
	w.rest = string(buf[:n]) + "/" + w.rest
	if strings.HasPrefix(w.rest, "/") {
		return w.begin("/")
	}
	return nil
}

// trustHere refuses a link where every user may make one.
func (w *walk) trustHere(link LinkError) error {
	var dir unix.Stat_t
	if err := unix.Fstatat(w.place.dir, ".", &dir, 0); err != nil {
		return &fs.PathError{Op: "stat", Path: w.place.Path, Err: err}
	}
	if !crowded(&dir) || trusted(link.UID) || link.UID == int(dir.Uid) {
		return nil
	}
	return &link
}

// crowded reports whether every user may make names in dir, and only their owners
// may remove them.
func crowded(dir *unix.Stat_t) bool { return dir.Mode&0o002 != 0 && dir.Mode&unix.S_ISVTX != 0 }

// trusted reports whether uid is this user or root.
func trusted(uid int) bool { return uid == 0 || uid == os.Geteuid() }

// trust refuses links that belong neither to those we trust nor to the owner of
// what is at the place, or of its directory if there is nothing.
func (w *walk) trust() error {
	var st unix.Stat_t
	for _, link := range w.links {
		if trusted(link.UID) {
			continue
		}
		err := unix.Fstatat(w.place.dir, w.place.name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) {
			err = unix.Fstatat(w.place.dir, ".", &st, 0)
		}
		if err != nil {
			return &fs.PathError{Op: "stat", Path: w.place.Path, Err: err}
		}
		if int(st.Uid) != link.UID {
			return &link
		}
	}
	return nil
}

func openDir(dir int, name string) (int, error) {
	flags := search | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	for {
		fd, err := unix.Openat(dir, name, flags, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// Close lets go of the directory.
func (p *Place) Close() {
	if p.dir >= 0 {
		_ = unix.Close(p.dir) // only searched
	}
	p.dir = -1
}

// stat looks at what is at the place; a link is not followed.
func (p *Place) stat() (unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(p.dir, p.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return st, &fs.PathError{Op: "open", Path: p.Path, Err: err}
	}
	return st, nil
}
