package inventory

import (
	"os"
	"path/filepath"
	"strings"
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

// TestFolderOfFoundInventory: who can write the folder can put another file in
// the place of the inventory.
func TestFolderOfFoundInventory(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "work")
	path := filepath.Join(folder, "hosts.yaml")
	writeAt(t, path, "hosts: [a]\n")
	link := filepath.Join(t.TempDir(), "hosts.yaml")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[os.FileMode]bool{0o755: true, 0o777: false, 0o757: false, 0o777 | os.ModeSticky: true, 0o700: true} {
		if err := os.Chmod(folder, mode); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{path, link} {
			_, err := Load(t.Context(), []File{{Path: name, Trust: Found}})
			if ok != (err == nil) || !ok && (!strings.Contains(err.Error(), "its folder "+folder+" is not safe") || !strings.Contains(err.Error(), "-i uses it all the same")) {
				t.Errorf("mode %v, %s: got %v, want ok %v and the folder named", mode, name, err, ok)
			}
			if _, err := Load(t.Context(), []File{{Path: name, Trust: Named}}); err != nil {
				t.Errorf("mode %v, named: got %v", mode, err)
			}
		}
	}
}
