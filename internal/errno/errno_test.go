package errno

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

func TestHint(t *testing.T) {
	path := func(e syscall.Errno) error { return &fs.PathError{Op: "open", Path: "x", Err: e} }
	tests := []struct {
		err  error
		want string // a part; empty: no hint
	}{
		{nil, ""},
		{io.EOF, ""},
		{path(syscall.ENOENT), ""},
		{path(syscall.EMFILE), "ulimit -n"},
		{fmt.Errorf("read the inventory: %w", path(syscall.ENFILE)), "fs.file-max"},
		{errors.Join(io.EOF, path(syscall.ENOSPC)), "df -i"},
		{path(syscall.EDQUOT), "quota"},
		{path(syscall.EROFS), "read-only"},
		{path(syscall.EACCES), "permissions"},
		{path(syscall.EPERM), "lsattr"},
		{path(syscall.EIO), "dmesg"},
	}
	for _, test := range tests {
		got := Hint(test.err)
		if !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%v: got %q, want %q in it", test.err, got, test.want)
		}
	}
}

// TestHintsAreOneLine: a hint is a line of its own, in the form of all others.
func TestHintsAreOneLine(t *testing.T) {
	for e, text := range hints {
		if text == "" || strings.ContainsAny(text, "\n.!") && !strings.Contains(text, "fs.file-max") {
			t.Errorf("%v: got %q", e, text)
		}
	}
}

func TestOutOfFiles(t *testing.T) {
	for err, want := range map[error]bool{syscall.EMFILE: true, syscall.ENFILE: true, syscall.EACCES: false, io.EOF: false} {
		if got := OutOfFiles(fmt.Errorf("x: %w", err)); got != want {
			t.Errorf("%v: got %v", err, got)
		}
	}
}
