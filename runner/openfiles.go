package runner

import (
	"fmt"
	"sort"
	"syscall"

	"tutti/internal/phrase"
	"tutti/ssh"
)

// ReservedFiles are kept free for everything that is not a connection: the
// history, key files, the agent, name resolution.
const ReservedFiles = 64

// OpenLimit is how many files may be open.
func OpenLimit() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return int(min(limit.Cur, 1<<30)), nil
}

// Fanout is how many hosts are worked on at once: as many as asked for, or as the limit
// of open files allows.
func (d *Decision) Fanout(asked int) int {
	n := asked
	if n == 0 {
		n = min(DefaultFanout, max(1, len(d.Endpoints)))
	}
	limit, err := OpenLimit()
	if err != nil {
		return n
	}
	most := d.Fits(limit)
	if most >= min(n, len(d.Endpoints)) {
		return n
	}
	d.Warnings = append(d.Warnings, fmt.Sprintf("working on %s at once instead of %d, which may need %d open files: the limit is %d (ulimit -n)",
		phrase.Count(most, "host"), min(n, len(d.Endpoints)), d.Files(n), limit))
	return most
}

// Files is how many files may be open while n hosts are worked on at once.
func (d *Decision) Files(n int) int { return ssh.OpenFiles(d.Endpoints, n) + ReservedFiles }

// Fits is how many hosts can be worked on at once under limit, at least one.
func (d *Decision) Fits(limit int) int {
	return max(1, sort.Search(len(d.Endpoints), func(i int) bool { return d.Files(i+1) > limit }))
}
