package safefile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// MkdirAll makes the directory path and the missing ones above it, with mode 0700, and
// returns its path without links.
func MkdirAll(path string) (string, error) {
	p, err := makeDirs(path)
	if err != nil {
		return "", err
	}
	p.Close()
	return p.Path, nil
}

// OpenDir is MkdirAll for one who is going to work in the directory.
func OpenDir(path string) (*os.Root, error) {
	p, err := makeDirs(path)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	root, err := os.OpenRoot(p.Path)
	if err != nil {
		return nil, err
	}
	// Opened by its name it may be another one by now.
	f, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	defer func() { _ = f.Close() }() // only looked at
	if !p.Current(f) {
		return nil, errors.Join(errors.New(path+" was replaced while tutti opened it"), root.Close())
	}
	return root, nil
}

func makeDirs(path string) (*Place, error) {
	if path == "" {
		return Find(path)
	}
	return find(path+"/.", walk{missing: func(dir int, name string) error {
		err := unix.Mkdirat(dir, name, 0o700)
		if errors.Is(err, unix.EEXIST) {
			return nil // another process was faster
		}
		return err
	}})
}
