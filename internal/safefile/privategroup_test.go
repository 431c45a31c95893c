package safefile

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

func TestGroupOfOne(t *testing.T) {
	const passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\neve:x:1002:1001::/home/eve:/bin/sh\ndan:x:1004:1004::/:\n"
	const group = "root:x:0:\nann:x:1000:\nbob:x:1001:\nwheel:x:10:ann\nann2:x:1003:ann\ndan:x:1004:dan\nstaff:x:1005:ann,bob\n"
	tests := []struct {
		name     string
		uid, gid uint32
		want     bool
	}{
		{"the user's own", 1000, 1000, true},
		{"the user is named as a member", 1004, 1004, true},
		{"the primary group of another, too", 1001, 1001, false},
		{"another user's", 1000, 1004, false},
		{"of several", 1000, 1005, false},
		{"of the user alone, with another name", 1000, 1003, false},
		{"system's", 1000, 10, false},
		{"root's", 0, 0, false},
		{"unknown group", 1000, 4711, false},
		{"unknown user", 4711, 1000, false},
	}
	for _, tt := range tests {
		if got := groupOfOne(passwd, group, tt.uid, tt.gid); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if groupOfOne(passwd, strings.Replace(group, "ann:x:1000:", "ann:x:1000:eve", 1), 1000, 1000) {
		t.Error("a group with another member is not the user's own")
	}
}

// rootsFile is a file of root and of root's group.
type rootsFile struct {
	fs.FileInfo
	mode fs.FileMode
}

func (rootsFile) Sys() any { return &syscall.Stat_t{} }

func (f rootsFile) Mode() fs.FileMode { return f.mode }

// TestRootsGroupIsNotPrivate: system programs run with root's group, so that what it
// can write others can write.
func TestRootsGroupIsNotPrivate(t *testing.T) {
	if err := CheckWriters(rootsFile{mode: 0o660}); err == nil {
		t.Error("a file that root's group can write is taken, want it refused")
	}
	if err := CheckWriters(rootsFile{mode: 0o640}); err != nil {
		t.Errorf("a file that root alone can write: got %v, want it taken", err)
	}
}
