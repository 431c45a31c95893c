package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tutti/cmd/internal/cli"
	"tutti/runner"
	"tutti/store"
)

// TestHintsFollowTheCause: what can be done about a file is said by why the system
// refused it, whatever was being done, and nothing else contradicts that.
func TestHintsFollowTheCause(t *testing.T) {
	open := func(e syscall.Errno) error { return &fs.PathError{Op: "open", Path: "/x", Err: e} }
	history := func(kind error, e syscall.Errno) error {
		return hintNoRecord(&runner.NoRecordError{Err: &store.Error{Op: "open", Path: "/x", Kind: kind, Err: open(e)}})
	}
	const without = "--no-history runs without a record"
	tests := []struct {
		name string
		err  error
		want []string // parts of the hints, in this order
		not  string
	}{
		{"a key", usagef("key x: %w", open(syscall.EMFILE)), []string{"ulimit -n"}, ""},
		{"an inventory", usagef("%w", open(syscall.EACCES)), []string{"permissions"}, ""},
		{"several", errors.Join(errors.New("x"), fmt.Errorf("y: %w", open(syscall.EROFS))), []string{"read-only"}, ""},
		{"no such file", usagef("%w", open(syscall.ENOENT)), nil, ""},
		{"a history and too many files", history(nil, syscall.EMFILE), []string{without, "ulimit -n"}, "writable"},
		{"a history on a read-only file system", history(store.ErrReadOnly, syscall.EROFS), []string{without, "mounted read-only"}, "make the file"},
		{"a history that may not be written", history(store.ErrReadOnly, syscall.EACCES), []string{without, "make the file and its directory writable"}, "namei"},
		{"a history that may not be read", history(store.ErrUnreadable, syscall.EACCES), []string{without, "readable"}, "namei"},
		{"a history on a full disk", history(store.ErrFull, syscall.ENOSPC), []string{without, "history prune"}, "df"},
		{"a history on a broken disk", history(nil, syscall.EIO), []string{without, "dmesg"}, "writable"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := cli.Hints(test.err)
			if len(got) != len(test.want) {
				t.Fatalf("got %q, want %d hints", got, len(test.want))
			}
			for i, part := range test.want {
				if !strings.Contains(got[i], part) {
					t.Errorf("got %q, want %q in it", got[i], part)
				}
			}
			if test.not != "" && slices.ContainsFunc(got, func(h string) bool { return strings.Contains(h, test.not) }) {
				t.Errorf("got %q, with %q", got, test.not)
			}
		})
	}
}
