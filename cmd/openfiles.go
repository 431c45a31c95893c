package cmd

import (
	"fmt"
	"sort"
	"syscall"

	"tutti/ssh"
)

// reservedFiles are kept free for everything that is not a connection: the
// history, key files, the agent, name resolution.
const reservedFiles = 64

// openLimit is how many files may be open.
func openLimit() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return int(min(limit.Cur, 1<<30)), nil
}

// fanout is how many hosts are worked on at once: as many as asked for, if the
// limit of open files allows it.
func (d *decision) fanout(asked int) int {
	n := asked
	if n == 0 {
		n = min(defaultFanout, max(1, len(d.endpoints)))
	}
	limit, err := openLimit()
	if err != nil {
		return n
	}
	most := d.fits(limit)
	if most >= min(n, len(d.endpoints)) {
		return n
	}
	d.warnings = append(d.warnings, fmt.Sprintf("working on %s at once, not on %d, which may take %d files: %d may be open (ulimit -n)",
		count(most, "host"), min(n, len(d.endpoints)), d.files(n), limit))
	return most
}

// files is how many files may be open while n hosts are worked on at once.
func (d *decision) files(n int) int { return ssh.OpenFiles(d.endpoints, n) + reservedFiles }

// fits is how many hosts can be worked on at once under limit, at least one.
func (d *decision) fits(limit int) int {
	return max(1, sort.Search(len(d.endpoints), func(i int) bool { return d.files(i+1) > limit }))
}
