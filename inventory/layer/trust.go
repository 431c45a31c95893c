package layer

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// CheckOwner returns an error if a user other than this one and root may have written
// the file; a group that is its owner's own does not count as another user. info must be
// that of the file that is read.
func CheckOwner(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("its owner is not known")
	}
	if uid := os.Geteuid(); st.Uid != 0 && int(st.Uid) != uid {
		return fmt.Errorf("it belongs to user %d, who is neither us nor root", st.Uid)
	}
	mode := info.Mode().Perm()
	if info.Mode().Type() == fs.ModeSymlink || mode&0o022 == 0 || mode&0o002 == 0 && PrivateGroup(st.Uid, st.Gid) {
		return nil
	}
	return fmt.Errorf("others can write it (mode %04o), which chmod go-w mends", mode)
}

// checkDirectory returns an error if somebody else than us and root may replace what
// is in the directory of a file. In a sticky directory, such as /tmp, nobody can who does
// not own it.
func checkDirectory(path string) error {
	folder := filepath.Dir(path)
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSticky != 0 {
		return nil
	}
	if err := CheckOwner(info); err != nil {
		return fmt.Errorf("its folder %s is not safe: %w", folder, err)
	}
	return nil
}

// The files that say who is in a group.
const (
	passwdFile = "/etc/passwd"
	groupFile  = "/etc/group"
)

// PrivateGroup reports whether a group is the user's own, as many systems make one
// for each user: it has the user's name and no other member. Of a group that is not
// in the files nobody knows who is in it, and root's is for system programs.
func PrivateGroup(uid, gid uint32) bool {
	passwd, err1 := os.ReadFile(passwdFile)
	group, err2 := os.ReadFile(groupFile)
	return err1 == nil && err2 == nil && groupOfOne(string(passwd), string(group), uid, gid)
}

// groupOfOne is PrivateGroup for the contents of the two files.
func groupOfOne(passwd, group string, uid, gid uint32) bool {
	if uid == 0 {
		return false
	}
	owner := ""
	for line := range strings.Lines(passwd) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 4 {
			continue
		}
		switch {
		case f[2] == strconv.FormatUint(uint64(uid), 10):
			owner = cmp.Or(owner, f[0])
		case f[3] == strconv.FormatUint(uint64(gid), 10):
			return false // it is the group of another user, too
		}
	}
	for line := range strings.Lines(group) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) == 4 && f[2] == strconv.FormatUint(uint64(gid), 10) {
			return owner != "" && f[0] == owner && (f[3] == "" || f[3] == owner)
		}
	}
	return false
}
