package store

import (
	"context"
	"database/sql"
	"errors"

	"tutti/fanout"
	"tutti/scheduler"
)

// noteWish writes down who wanted the run of a firing to be ended, if anybody did.
func (s *Store) noteWish(ctx context.Context, tx *sql.Tx, f *firing, run *Run, zone string) (err error) {
	f.reason, err = s.endedBy(ctx, tx, f, run, zone)
	if err != nil || f.reason == "" {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE firings SET reason = ? WHERE id = ?", f.reason, f.id)
	return err
}

// endedBy says who wanted the run of a firing to be ended before it was through;
// empty: nobody, or it is ok nevertheless. Its deadline and its budget are the
// job's own. A run that was cut off without an end is nobody's wish: what would
// have become of it is not known.
func (s *Store) endedBy(ctx context.Context, q queryer, f *firing, run *Run, zone string) (string, error) {
	if run.State != Finished || run.ok() {
		return "", nil
	}
	switch run.Summary.Stopped {
	case fanout.StoppedKill:
		later, err := replacedBy(ctx, q, run, zone)
		switch {
		case err != nil || later != "":
			return later, err
		case run.KillBy != "":
			return "killed by " + run.KillBy, nil
		}
	case fanout.StoppedSignal, fanout.StoppedSink:
		attached, err := isAttached(ctx, q, f)
		switch {
		case err != nil:
			return "", err
		case attached:
			return "interrupted by " + f.requestedBy, nil
		case run.Summary.Stopped == fanout.StoppedSignal:
			return reasonStopped, nil
		}
	}
	return "", nil
}

// replacedBy says which firing took the place of a run that was ended for its
// sake; empty if that was done for another reason.
func replacedBy(ctx context.Context, q queryer, run *Run, zone string) (string, error) {
	if run.KillBy != jobAsKiller(run.Job) {
		return "", nil
	}
	var text sql.NullString
	err := q.QueryRowContext(ctx, `
		SELECT coalesce(scheduled_at, decided_at) FROM firings WHERE id = (SELECT replaced_by FROM runs WHERE id = ?)`, run.ID).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return reasonReplaced, nil
	}
	if err != nil {
		return "", err
	}
	at, err := parseTime(text)
	if err != nil {
		return "", err
	}
	if location, err := scheduler.LoadZone(zone); err == nil {
		at = at.In(location) // a job without a zone tells in UTC
	}
	return "replaced by the firing of " + at.Format("15:04:05 MST"), nil
}

// jobAsKiller is who ends the runs that later firings of a job replace.
func jobAsKiller(job string) string { return "job " + job }

// isAttached reports whether the firing was carried out by whoever asked for it,
// and not by a daemon.
func isAttached(ctx context.Context, q queryer, f *firing) (bool, error) {
	if f.requestedBy == "" {
		return false, nil
	}
	serves, err := exists(ctx, q, "SELECT 1 FROM daemons WHERE id = ? AND serves", f.daemon)
	return !serves, err
}

// SetExitCode puts the exit code of the process that carried a run out in the
// place of the one that was known at the end of the run.
func (s *Store) SetExitCode(ctx context.Context, run int64, code int) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE runs SET exit_code = ? WHERE id = ?", code, run)
		return err
	})
}
