package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tutti/api"
	"tutti/cmd/internal/cli"
	"tutti/internal/quantity"
	"tutti/runner"
	"tutti/store"
)

const (
	// littleSpace is when it is time to say so, noSpace when a run of some
	// hosts may not find room for its record.
	littleSpace = 256 << 20
	noSpace     = 16 << 20
	// clockSlack is how far the history may be ahead of the clock.
	clockSlack = 5 * time.Minute
)

// The years between which a clock may stand: before the first this program did
// not exist, and the last is far away.
const firstYear, lastYear = 2026, 2100

func (d *doctor) checkClock() {
	now := time.Now()
	if y := now.Year(); y < firstYear || y > lastYear {
		d.report(api.FindingProblem, "clock", "the clock says "+cli.ClockText(now.Local())+": certificates will seem invalid, and recorded times will be wrong",
			"set the clock (timedatectl set-ntp true)")
		return
	}
	d.ok("clock", "%s", cli.ClockText(now.Local()))
}

// checkHistory looks at the history, and at the disk that it is on.
func (d *doctor) checkHistory(ctx context.Context) {
	path, err := d.History.Location()
	if err != nil {
		d.failRecord(err)
		return
	}
	database := runner.IsDatabase(path)
	c, err := runner.Examine(ctx, path)
	switch {
	case errors.Is(err, store.ErrNotExist) && database:
		d.ok("history", "the first run will create the tables in %s", runner.Shown(path))
		return
	case errors.Is(err, store.ErrNotExist):
		d.checkNewHistory(path)
		return
	case err != nil:
		d.failRecord(err)
		return
	case c.ReadOnly != nil:
		d.failRecord(c.ReadOnly)
	}
	if c.Exposed {
		d.report(api.FindingWarning, "history", path+" can be read by other users, and may contain secrets", "chmod 600 "+path)
	}
	if ahead := time.Until(c.Newest); ahead > clockSlack {
		d.report(api.FindingWarning, "clock", fmt.Sprintf("the newest run in the history started %s in the future: the clock was set back", quantity.FormatDuration(ahead.Round(time.Second))),
			"set the clock: old runs are pruned by age")
	}
	if c.ReadOnly == nil {
		d.ok("history", "%s in %s, %s", count(c.Runs, "run"), runner.Shown(path), quantity.FormatSize(c.Size))
	}
	if !database {
		d.checkDisk(filepath.Dir(path))
	}
}

// failRecord reports a history that cannot be opened; hosts can still be checked.
func (d *doctor) failRecord(err error) {
	d.report(api.FindingProblem, "history", cli.Wording.Text(err), strings.Join(cli.Hints(err), "; "))
}

// checkNewHistory looks at the place where a history is to be made.
func (d *doctor) checkNewHistory(path string) {
	dir := filepath.Dir(path)
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		d.failRecord(hint(fmt.Errorf("cannot create %s: %s: %w", path, dir, err), "name another file with --history, or use --no-history"))
		return
	}
	d.ok("history", "the first run will create %s", path)
	d.checkDisk(dir)
}

// checkDisk looks at the file system that dir is on.
func (d *doctor) checkDisk(dir string) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		d.report(api.FindingWarning, "disk", fmt.Sprintf("%s: %v", dir, err), "")
		return
	}
	if kind := networkKind(&fs); kind != "" {
		d.report(api.FindingWarning, "disk", fmt.Sprintf("the history in %s is on %s, where file locks may not work across machines", dir, kind),
			"keep the history on a local disk: --history FILE or $TUTTI_HISTORY")
	}
	free := uint64(fs.Bavail) * uint64(fs.Bsize)
	text := fmt.Sprintf("%d MiB free for the history in %s", free>>20, dir)
	remedy := "free some space, or delete old runs: tutti history prune --keep 30d"
	switch {
	case free < noSpace:
		d.report(api.FindingProblem, "disk", text, remedy)
	case free < littleSpace:
		d.report(api.FindingWarning, "disk", text, remedy)
	default:
		d.ok("disk", "%s", text)
	}
}
