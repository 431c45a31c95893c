package layer

import (
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

func TestCheckOwner(t *testing.T) {
	me := uint32(os.Geteuid())
	tests := []struct {
		name string
		info ownedBy
		ok   bool
	}{
		{"ours", ownedBy{uid: me, mode: 0o644}, true},
		{"root's", ownedBy{uid: 0, mode: 0o644}, true},
		{"somebody's", ownedBy{uid: me + 4711, mode: 0o600}, false},
		{"group can write", ownedBy{uid: me, mode: 0o664}, false},
		{"our link", ownedBy{uid: me, mode: 0o777 | fs.ModeSymlink}, true},
		{"somebody's link", ownedBy{uid: me + 4711, mode: 0o777 | fs.ModeSymlink}, false},
	}
	for _, tt := range tests {
		if err := CheckOwner(tt.info); (err == nil) != tt.ok {
			t.Errorf("%s: got %v, want ok %v", tt.name, err, tt.ok)
		}
	}
}
