package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A File is an inventory file that is to be loaded.
type File struct {
	Path string
	// Trust says how the file came to be used, and so what it may say.
	Trust Trust
}

// Trust is how far an inventory file is believed.
type Trust int

const (
	// Found says that nobody named the file. It must be owned by us or root and be
	// writable by its owner only, and its host_keys: off does not count.
	Found Trust = iota
	// FromEnvironment says that the environment names the file. Its
	// host_keys: off does not count.
	FromEnvironment
	// Named says that the file was asked for by name in this very command.
	Named
)

// Places are where Find looks, the first that has something wins.
type Places struct {
	// Given are the paths named on the command line.
	Given []string
	// Env is the value of TUTTI_INVENTORY: one path, or several with the
	// system's list separator between them.
	Env string
	// WorkDir is the folder we are in; Home is the user's. An empty one is skipped.
	WorkDir, Home string
}

// search returns the files that are used without being named.
func (p Places) search() []string {
	var paths []string
	if p.WorkDir != "" {
		paths = append(paths, filepath.Join(p.WorkDir, "hosts.yaml"))
	}
	if p.Home != "" {
		paths = append(paths, filepath.Join(p.Home, ".config", "tutti", "hosts.yaml"))
	}
	return append(paths, "/etc/tutti/hosts.yaml")
}

// A NotFoundError says that there is no inventory.
type NotFoundError struct {
	// Looked are the paths where one could have been.
	Looked []string
}

// Error lists the places.
func (e *NotFoundError) Error() string {
	return "no inventory; looked for " + strings.Join(e.Looked, ", ")
}

// Find returns the inventory files to load: those given by name, else those of
// the environment, else the first that exists of ./hosts.yaml,
// ~/.config/tutti/hosts.yaml and /etc/tutti/hosts.yaml. Named files are not
// looked at; Load does that. If there is no file at all, the error is a
// [*NotFoundError].
func Find(p Places) ([]File, error) {
	if len(p.Given) > 0 {
		return files(p.Given, Named)
	}
	if p.Env != "" {
		return files(filepath.SplitList(p.Env), FromEnvironment)
	}
	paths := p.search()
	for _, path := range paths {
		_, err := os.Stat(path)
		switch {
		case err == nil:
			return []File{{Path: path, Trust: Found}}, nil
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			if _, err := os.Lstat(path); err == nil {
				return nil, fmt.Errorf("inventory %s is a symbolic link to nothing", path)
			}
		default:
			// A file that may be there and cannot be read must not make us use
			// another one in its place.
			return nil, fmt.Errorf("look for an inventory: %w", err)
		}
	}
	return nil, &NotFoundError{Looked: paths}
}

func files(paths []string, trust Trust) ([]File, error) {
	var list []File
	for _, path := range paths {
		if path == "" {
			return nil, errors.New("the path of an inventory is empty")
		}
		list = append(list, File{Path: path, Trust: trust})
	}
	return list, nil
}
