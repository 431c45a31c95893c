package output

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ReplaceFile makes what write writes the content of the file path, in one step:
// whoever reads the file sees the old content or all of the new. A new file is
// its owner's alone, an old one keeps its mode. What is not a regular file, nor a
// link to one, is refused.
func ReplaceFile(path string, write func(io.Writer) error) error {
	path, mode, err := replaceable(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tutti-*")
	if err != nil {
		return err
	}
	err = fill(f, mode, write)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}

// CheckReplaceFile finds out what would keep ReplaceFile from writing to path,
// and leaves everything as it is.
func CheckReplaceFile(path string) error {
	path, _, err := replaceable(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tutti-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// replaceable follows path to the file that may be replaced, and returns the
// mode that it is to have.
func replaceable(path string) (string, fs.FileMode, error) {
	info, err := os.Lstat(path)
	if err == nil && info.Mode().Type() == fs.ModeSymlink {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			info, err = os.Lstat(path)
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && info == nil:
		return path, 0o600, nil
	case err != nil:
		return "", 0, err
	case !info.Mode().IsRegular():
		return "", 0, fmt.Errorf("%s is not a regular file", path)
	}
	return path, info.Mode().Perm(), nil
}

func fill(f *os.File, mode fs.FileMode, write func(io.Writer) error) error {
	w := bufio.NewWriterSize(f, writeBufferSize)
	if err := errors.Join(write(w), w.Flush()); err != nil {
		return err
	}
	// Without this a crash may leave the new name on an empty file.
	return errors.Join(f.Chmod(mode), f.Sync())
}
