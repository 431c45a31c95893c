package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"
)

// A Source is a file or a tree of this machine that is sent.
type Source struct {
	// Name is how it was named, and Base what it is called where it goes.
	Name, Base string
	// Tree says that it is a directory.
	Tree bool
	// Dirs are its directories, each after the one it is in. A file has one without a
	// name.
	Dirs []*Dir
	// Size is that of all content, in bytes.
	Size int64
}

// A Dir is a directory of a Source.
type Dir struct {
	// Rel is its path below the source; empty: the source itself.
	Rel   string
	Perm  fs.FileMode
	Time  time.Time
	Items []*Item
}

// ReadSource looks at what is to be sent. Directories are read only if trees says so. A
// link is followed if it is name itself.
func ReadSource(name string, trees bool) (*Source, error) {
	if name == "" {
		return nil, errors.New("an empty name")
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	absolute, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	s := &Source{Name: name, Base: filepath.Base(absolute), Tree: info.IsDir()}
	if s.Base == string(filepath.Separator) {
		return nil, fmt.Errorf("%s: the whole file system is no source", name)
	}
	if !s.Tree {
		s.Dirs = []*Dir{{}}
		return s, s.add(s.Dirs[0], absolute, s.Base, info)
	}
	if !trees {
		return nil, &IsTreeError{name}
	}
	root, err := filepath.EvalSymlinks(absolute)
	if err != nil {
		return nil, err
	}
	return s, s.walk(root)
}

// An IsTreeError is a directory where a file is expected.
type IsTreeError struct{ Name string }

func (e *IsTreeError) Error() string { return e.Name + " is a directory" }

// walk adds the tree at root.
func (s *Source) walk(root string) error {
	dirs := map[string]*Dir{}
	return filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, at)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel == "." {
				rel = ""
			}
			dir := &Dir{Rel: rel, Perm: info.Mode().Perm(), Time: info.ModTime()}
			dirs[rel] = dir
			s.Dirs = append(s.Dirs, dir)
			return nil
		}
		in := path.Dir(rel)
		if in == "." {
			in = ""
		}
		return s.add(dirs[in], at, path.Base(rel), info)
	})
}

// add adds the file at that place to dir, as name.
func (s *Source) add(dir *Dir, at, name string, info fs.FileInfo) error {
	it := newItem(at, name, info)
	switch info.Mode().Type() {
	case 0:
		f, err := os.Open(at)
		if err != nil {
			return err
		}
		_ = f.Close() // it was only looked at
		s.Size += it.Size
	case fs.ModeSymlink:
		text, err := os.Readlink(at)
		if err != nil {
			return err
		}
		it.Link = text
	default:
		return fmt.Errorf("%s is %s, neither a file nor a directory", at, kindOf(info.Mode()))
	}
	dir.Items = append(dir.Items, it)
	return nil
}

// kindOf is what people call a file of mode.
func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeSymlink != 0:
		return "a link"
	case mode.IsRegular():
		return "a file"
	}
	return "a special file"
}
