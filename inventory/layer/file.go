package layer

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"tutti/internal/safefile"
)

// A File is an inventory file that is to be loaded.
type File struct {
	Path string
	// Trust says how the file came to be used, and so what it may say.
	Trust Trust
}

// Trust says how far an inventory file is trusted.
type Trust int

const (
	// Found says that tutti found the file in a usual place. It must be owned by the
	// user or root and be writable by its owner only, and its host_keys: off does not
	// count.
	Found Trust = iota
	// FromEnvironment says that the environment names the file. Its
	// host_keys: off does not count.
	FromEnvironment
	// Named says that the command names the file.
	Named
)

// maxFileSize is how large a file may be, in bytes.
const maxFileSize = 64 << 20

// Read reads an inventory file whole, and checks who may have written it if it was
// found and not named.
func Read(f File) ([]byte, fs.FileInfo, error) {
	if f.Trust == Found {
		// The owner of a link decides what it leads to.
		info, err := os.Lstat(f.Path)
		if err == nil {
			err = safefile.CheckWriters(info)
		}
		if err == nil {
			err = checkDirectories(f.Path, info)
		}
		if err != nil {
			return nil, nil, &untrustedError{f.Path, err}
		}
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, nil, fmt.Errorf("read inventory: %w", err)
	}
	defer func() { _ = file.Close() }() // nothing was written
	info, err := file.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("read inventory: %w", err)
	}
	if info.IsDir() {
		return nil, nil, fmt.Errorf("read inventory: %s is a directory; name each file in it", f.Path)
	}
	if f.Trust == Found {
		if err := safefile.CheckWriters(info); err != nil {
			return nil, nil, &untrustedError{f.Path, err}
		}
	}
	data, err := ReadAll(file)
	if err != nil {
		return nil, nil, fmt.Errorf("read inventory %s: %w", f.Path, err)
	}
	return data, info, nil
}

// checkDirectories checks the directory of a file, and if it is a link, that of its
// target.
func checkDirectories(path string, info fs.FileInfo) error {
	if err := checkDirectory(path); err != nil || info.Mode().Type() != fs.ModeSymlink {
		return err
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	return checkDirectory(target)
}

// An untrustedError is an inventory that was found, and that another user may have
// written.
type untrustedError struct {
	path string
	err  error
}

func (e *untrustedError) Error() string {
	return fmt.Sprintf("inventory %s is not used: %v", e.path, e.err)
}

func (e *untrustedError) Unwrap() error { return e.err }

// AdviceUntrusted is the code of the advice about an inventory that is not used,
// because others can write it. The caller has the words.
const AdviceUntrusted = "inventory untrusted"

// Advice is to name the file.
func (e *untrustedError) Advice() (code string, args []any) { return AdviceUntrusted, nil }

// ReadAll reads to the end, up to 64 MiB.
func ReadAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("larger than %d MiB", maxFileSize>>20)
	}
	return data, nil
}
