package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"tutti/inventory/layer"
)

// Places are where Find looks, in the order of precedence.
type Places struct {
	// Given are the paths named on the command line.
	Given []string
	// Env is the value of TUTTI_INVENTORY: one path, or several with the
	// system's list separator between them.
	Env string
	// WorkDir is the current directory; Home is the user's. An empty one is skipped.
	WorkDir, Home string
}

// search returns the default paths.
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
	return "no inventory found; tried " + strings.Join(e.Looked, ", ")
}

// Find returns the inventory files to load: those given by name, else those of
// the environment, else the first that exists of ./hosts.yaml,
// ~/.config/tutti/hosts.yaml and /etc/tutti/hosts.yaml. Named files are not
// looked at; Load does that. If there is no file at all, the error is a
// [*NotFoundError].
func Find(p Places) ([]layer.File, error) {
	if len(p.Given) > 0 {
		return files(p.Given, layer.Named)
	}
	if p.Env != "" {
		return files(filepath.SplitList(p.Env), layer.FromEnvironment)
	}
	paths := p.search()
	for _, path := range paths {
		_, err := os.Stat(path)
		switch {
		case err == nil:
			return []layer.File{{Path: path, Trust: layer.Found}}, nil
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			if _, err := os.Lstat(path); err == nil {
				return nil, fmt.Errorf("inventory %s is a dangling symbolic link", path)
			}
		default:
			// A file that may be there and cannot be read must not lead to another
			// one being used in its place.
			return nil, fmt.Errorf("look for an inventory: %w", err)
		}
	}
	return nil, &NotFoundError{Looked: paths}
}

func files(paths []string, trust layer.Trust) ([]layer.File, error) {
	var list []layer.File
	for _, path := range paths {
		if path == "" {
			return nil, errors.New("empty inventory path")
		}
		list = append(list, layer.File{Path: path, Trust: trust})
	}
	return list, nil
}
