package safefile

import (
	"cmp"
	"os"
	"strconv"
	"strings"
)

// The files that say who is in a group.
const (
	passwdFile = "/etc/passwd"
	groupFile  = "/etc/group"
)

// PrivateGroup reports whether a group is the user's own, as many systems make one
// for each user: it has the user's name and no other member. The members of a group that
// is not in the files are unknown, and root's group is for system programs.
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
