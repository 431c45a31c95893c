package safefile

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// CheckWriters is an error if others than we and root can write the file or
// directory at path, which info is about. In a directory such as /tmp others can
// make names, but not take ours away. A group that is its owner's own counts as the
// owner.
func CheckWriters(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	mode := info.Mode()
	sticky := mode.IsDir() && mode&fs.ModeSticky != 0
	switch {
	case !trusted(int(st.Uid)):
		return fmt.Errorf("%s belongs to another user (user id %d)", path, st.Uid)
	case sticky:
		return nil
	case mode.Perm()&0o002 != 0, mode.Perm()&0o020 != 0 && !ownGroup(st.Uid, st.Gid):
		return fmt.Errorf("%s can be written by other users (mode %04o)", path, mode.Perm())
	}
	return nil
}

// groupFile lists the members of groups.
const groupFile = "/etc/group"

// ownGroup reports whether the group is the user's own: it has the user's name and
// no member but the user. OpenSSH asks the same of known_hosts and its like.
func ownGroup(uid, gid uint32) bool {
	u, err := user.LookupId(strconv.Itoa(int(uid)))
	if err != nil || u.Gid != strconv.Itoa(int(gid)) {
		return false
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil || g.Name != u.Username {
		return false
	}
	data, err := os.ReadFile(groupFile)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) != 4 || fields[2] != u.Gid {
			continue
		}
		for member := range strings.SplitSeq(fields[3], ",") {
			if member != "" && member != u.Username {
				return false
			}
		}
	}
	return true
}
