package sshconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"tutti/internal/filekind"
	"tutti/internal/safefile"
	"tutti/inventory/layer"
)

const (
	// systemFile is read after the user's own.
	systemFile = "/etc/ssh/ssh_config"
	// maxIncludeDepth is how deep Include may go, as in ssh.
	maxIncludeDepth = 16
	// maxFiles bounds files that include many others, over and over.
	maxFiles = 10_000
)

// noFile in place of a path means that no file is read.
const noFile = "none"

// Load reads the files and those that they include. What is wrong in
// them is reported all at once, a line for each mistake, as file:line:column:
// message. A file that was named must exist; others need not. The user's own file and
// all included ones must belong to the user or root, and must not be writable by
// others.
func Load(o Options) (*Config, error) {
	p := newParser(o)
	if err := p.loadTop(o); err != nil {
		return nil, err
	}
	if err := p.problems.Err(); err != nil {
		return nil, err
	}
	return p.config, nil
}

// loadTop reads the files that ssh would begin with.
func (p *parser) loadTop(o Options) error {
	switch {
	case o.File == noFile:
		return nil
	case o.File != "":
		text, err := p.disk.read(o.File, false)
		if err != nil {
			return fmt.Errorf("read ssh_config: %w", err)
		}
		p.top(o.File, text, true)
		return nil
	}
	if o.Home != "" {
		if err := p.loadUsual(filepath.Join(o.Home, ".ssh", "config"), true); err != nil {
			return err
		}
	}
	return p.loadUsual(systemFile, false)
}

// loadUsual reads a file that may be missing. Like ssh it continues without a file that
// cannot be opened, but with a warning.
func (p *parser) loadUsual(path string, users bool) error {
	text, err := p.disk.read(path, users)
	switch {
	case errors.As(err, new(*untrustedError)):
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil
	case err != nil:
		p.config.Warnings = append(p.config.Warnings, fmt.Sprintf("ssh_config is not read: %v", err))
		return nil
	}
	p.top(path, text, users)
	return nil
}

// top parses a file that no other includes.
func (p *parser) top(path, text string, users bool) {
	p.users = users
	p.stack = []string{path}
	p.config.files = append(p.config.files, p.parse(path, text))
}

// An untrustedError is a file that another user may have written.
type untrustedError struct {
	path string
	err  error
}

func (e *untrustedError) Error() string {
	return fmt.Sprintf("ssh_config %s is not used: %v", e.path, e.err)
}

func (e *untrustedError) Unwrap() error { return e.err }

// AdviceUntrusted is the code of the advice about a file that is not used because
// others can write it. The caller has the words.
const AdviceUntrusted = "ssh_config untrusted"

// Advice is to use another file.
func (e *untrustedError) Advice() (code string, args []any) { return AdviceUntrusted, nil }

// A storage is where ssh_config files are.
type storage interface {
	// read returns a file's contents, and with owned an *untrustedError if
	// others may have written it.
	read(path string, owned bool) (string, error)
	// glob returns the paths that match a pattern, sorted.
	glob(pattern string) ([]string, error)
}

// disk is the file system.
type disk struct{}

func (disk) read(path string, owned bool) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return "", &fs.PathError{Op: "read", Path: path, Err: syscall.EISDIR}
	}
	if owned {
		if err := safefile.CheckWriters(info); err != nil {
			return "", &untrustedError{path, err}
		}
	}
	data, err := layer.ReadAll(f)
	if err == nil {
		err = filekind.Check(data)
	}
	if err != nil {
		return "", &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return string(data), nil
}

// glob works as a shell does: a name with a dot in front is only matched by a
// dot, and what is no pattern stands for itself.
func (disk) glob(pattern string) ([]string, error) {
	paths, err := filepath.Glob(strings.ReplaceAll(pattern, "[!", "[^"))
	if err != nil {
		if _, err := os.Stat(pattern); err != nil {
			return nil, nil
		}
		return []string{pattern}, nil
	}
	parts := strings.Split(filepath.Clean(pattern), "/")
	paths = slices.DeleteFunc(paths, func(path string) bool { return hiddenMatch(parts, path) })
	slices.Sort(paths)
	return paths, nil
}

// hiddenMatch reports whether a wildcard in a part of a pattern has matched the
// dot of a hidden file.
func hiddenMatch(parts []string, path string) bool {
	for i, name := range strings.Split(filepath.Clean(path), "/") {
		if strings.HasPrefix(name, ".") && i < len(parts) && !strings.HasPrefix(parts[i], ".") {
			return true
		}
	}
	return false
}

// include reads the files that an Include line names.
func (p *parser) include(l *sourceLine) []*configFile {
	var files []*configFile
	for _, arg := range l.args {
		pattern, err := p.anchor(arg)
		if err != nil {
			p.errorf(l, "Include %s: %v", arg, err)
			continue
		}
		paths, err := p.disk.glob(pattern)
		if err != nil {
			p.errorf(l, "Include %s: %v", arg, err)
		}
		for _, path := range paths {
			if f := p.includeFile(l, path); f != nil {
				files = append(files, f)
			}
		}
	}
	return files
}

// anchor makes a path of Include absolute: from ~/.ssh for what belongs to the
// user, else from /etc/ssh.
func (p *parser) anchor(path string) (string, error) {
	if path == "" {
		return "", errors.New("empty path")
	}
	if strings.HasPrefix(path, "~") {
		if !p.users {
			return "", errors.New("the system configuration cannot depend on a user's home")
		}
		return expandTilde(path, p.config.opts.Home)
	}
	switch {
	case filepath.IsAbs(path):
		return path, nil
	case !p.users:
		return filepath.Join(filepath.Dir(systemFile), path), nil
	case p.config.opts.Home == "":
		return "", errNoHome
	}
	return filepath.Join(p.config.opts.Home, ".ssh", path), nil
}

// includeFile reads one file; nil if it is ignored.
func (p *parser) includeFile(l *sourceLine, path string) *configFile {
	if slices.Contains(p.stack, path) {
		p.errorf(l, "Include forms a cycle: %s", strings.Join(append(p.stack[:len(p.stack):len(p.stack)], path), " > "))
		return nil
	}
	if len(p.stack) > maxIncludeDepth {
		p.errorf(l, "Include is nested more than %d files deep", maxIncludeDepth)
		return nil
	}
	if p.files >= maxFiles {
		if p.files++; p.files == maxFiles+1 {
			p.errorf(l, "Include names more than %d files in all", maxFiles)
		}
		return nil
	}
	p.files++
	text, err := p.disk.read(path, true)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EISDIR):
		return nil
	case err != nil:
		p.errorf(l, "Include: %v", err)
		return nil
	}
	p.stack = append(p.stack, path)
	defer func() { p.stack = p.stack[:len(p.stack)-1] }()
	return p.parse(path, text)
}
