package safefile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// ownedBy is a file of some user.
type ownedBy struct {
	fs.FileInfo
	uid  uint32
	mode fs.FileMode
}

func (o ownedBy) Sys() any { return &syscall.Stat_t{Uid: o.uid} }

func (o ownedBy) Mode() fs.FileMode { return o.mode }

func (o ownedBy) IsDir() bool { return o.mode.IsDir() }

func TestCheckWriters(t *testing.T) {
	me := uint32(os.Geteuid())
	tests := []struct {
		name string
		info ownedBy
		ok   bool
	}{
		{"the user's", ownedBy{uid: me, mode: 0o644}, true},
		{"root's", ownedBy{uid: 0, mode: 0o644}, true},
		{"another user's", ownedBy{uid: me + 4711, mode: 0o600}, false},
		{"group can write", ownedBy{uid: me, mode: 0o664}, false},
		{"all can write", ownedBy{uid: me, mode: 0o646}, false},
		{"the user's link", ownedBy{uid: me, mode: 0o777 | fs.ModeSymlink}, true},
		{"another user's link", ownedBy{uid: me + 4711, mode: 0o777 | fs.ModeSymlink}, false},
		{"the user's directory", ownedBy{uid: me, mode: 0o755 | fs.ModeDir}, true},
		{"a directory that all can write", ownedBy{uid: me, mode: 0o777 | fs.ModeDir}, false},
		{"a sticky directory", ownedBy{uid: me, mode: 0o777 | fs.ModeDir | fs.ModeSticky}, true},
		{"another user's sticky directory", ownedBy{uid: me + 4711, mode: 0o777 | fs.ModeDir | fs.ModeSticky}, false},
		{"a sticky file", ownedBy{uid: me, mode: 0o666 | fs.ModeSticky}, false},
	}
	for _, tt := range tests {
		err := CheckWriters(tt.info)
		if (err == nil) != tt.ok || err != nil && !errors.As(err, new(*WritersError)) {
			t.Errorf("%s: got %v, want ok %v", tt.name, err, tt.ok)
		}
	}
}

// unknown is a file whose owner is not known.
type unknown struct{ fs.FileInfo }

func (unknown) Sys() any { return nil }

func TestCheckWritersOfUnknownOwner(t *testing.T) {
	if CheckWriters(unknown{}) == nil {
		t.Error("got nil for a file of an unknown owner, want an error")
	}
}

func TestWritersErrorText(t *testing.T) {
	for _, tt := range []struct {
		err         *WritersError
		text, about string
	}{
		{&WritersError{UID: 7}, "it belongs to user 7, not to you or root", "f belongs to another user (user id 7)"},
		{&WritersError{UID: 7, Mode: 0o666}, "others can write it (0666): chmod go-w it", "f can be written by other users (mode 0666)"},
	} {
		if got := tt.err.Error(); got != tt.text {
			t.Errorf("got %q, want %q", got, tt.text)
		}
		if got := tt.err.About("f").Error(); got != tt.about {
			t.Errorf("got %q, want %q", got, tt.about)
		}
	}
}
