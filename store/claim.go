package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"tutti/scheduler"
)

const (
	// proofTime is how long a firing waits for proof that the earlier one it
	// replaces has ended.
	proofTime = time.Minute
	// freshTime is how long a firing that is late by right may wait to be begun:
	// one that waited for another, was asked for, or is a repetition.
	freshTime = 24 * time.Hour
)

// Claim gives the caller the firings that may begin now; see [scheduler.Jobs].
func (d *Daemon) Claim(ctx context.Context, now time.Time) (tickets []scheduler.Ticket, err error) {
	d.tick(now)
	// Mostly there is nothing to claim, which a reader can tell.
	firings, err := selectFirings(ctx, d.store.r, unbegun)
	if err != nil {
		return nil, d.store.fault("read", err)
	}
	if !d.mayClaim(firings) {
		return nil, nil
	}
	err = d.store.change(ctx, func(tx *sql.Tx) error {
		tickets, err = d.claim(ctx, tx, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	d.give(tickets...)
	return tickets, nil
}

// mayClaim reports whether there may be a firing to claim, and forgets the
// tickets of those that are no longer to be begun.
func (d *Daemon) mayClaim(firings []firing) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	some, given := false, make(map[int64]bool)
	for _, f := range firings {
		given[f.id] = d.given[f.id]
		some = some || !d.given[f.id]
	}
	d.given = given
	return some
}

// give remembers for which firings the caller has tickets.
func (d *Daemon) give(tickets ...scheduler.Ticket) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range tickets {
		d.given[t.ID] = true
	}
}

func (d *Daemon) has(id int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.given[id]
}

func (d *Daemon) claim(ctx context.Context, tx *sql.Tx, now time.Time) (tickets []scheduler.Ticket, err error) {
	firings, err := selectFirings(ctx, tx, unbegun+" ORDER BY id")
	if err != nil {
		return nil, err
	}
	owners := make(map[int64]owner)
	for i := range firings {
		f := &firings[i]
		left, mine, err := d.inherits(ctx, tx, f, owners)
		if err != nil {
			return nil, err
		}
		if !mine {
			continue
		}
		k, done, err := d.take(ctx, tx, f, left, now)
		if err != nil {
			return nil, err
		}
		if !done {
			continue
		}
		t, err := d.store.ticketOf(ctx, tx, f, &k)
		if err != nil {
			return nil, err
		}
		tickets = append(tickets, t)
	}
	return tickets, nil
}

// An owner is who may begin a firing.
type owner struct{ alive, serves bool }

// inherits reports whether the firing is anybody's to claim: no daemon that is
// alive has it. left is true if who asked for it left it behind.
func (d *Daemon) inherits(ctx context.Context, tx *sql.Tx, f *firing, owners map[int64]owner) (left, mine bool, err error) {
	switch f.daemon {
	case 0:
		return false, true, nil
	case d.id:
		// One that was claimed here and of which the caller has no ticket, because
		// it was told of an error although the claim is on disk.
		return false, !d.has(f.id), nil
	}
	o, known := owners[f.daemon]
	if !known {
		if o.alive, err = d.store.locks.held(daemonLocks + f.daemon); err != nil {
			return false, false, err
		}
		if o.serves, err = exists(ctx, tx, "SELECT 1 FROM daemons WHERE id = ? AND serves", f.daemon); err != nil {
			return false, false, err
		}
		owners[f.daemon] = o
	}
	return !o.alive && !o.serves, !o.alive, nil
}

// take makes the firing the daemon's, or closes it; done is false if it still
// has to wait.
func (d *Daemon) take(ctx context.Context, tx *sql.Tx, f *firing, left bool, now time.Time) (k scheduler.Kept, done bool, err error) {
	k, gone, err := d.store.jobOf(ctx, tx, f)
	if err != nil {
		return k, false, err
	}
	end := func(decision scheduler.Decision, reason string) (scheduler.Kept, bool, error) {
		return k, true, f.closeTold(ctx, tx, &k, gone, decision, reason, now)
	}
	switch {
	case gone:
		return end(scheduler.Skipped, reasonRemoved)
	case left:
		return end(scheduler.Skipped, reasonAskerGone)
	case k.Broken != nil:
		return end(scheduler.Failed, k.Broken.Error())
	case k.Paused && f.requestedBy == "":
		return end(scheduler.Skipped, reasonPaused)
	case (f.waited || f.requestedBy != "" || f.repeats != 0) && now.Sub(f.decided) > freshTime:
		return end(scheduler.Missed, reasonStale)
	}
	if f.decision == scheduler.Queued {
		v, decided, err := f.wait(ctx, tx, &k, now)
		if err != nil || !decided {
			return k, false, err
		}
		if v.Decision != scheduler.Run {
			return end(v.Decision, v.Reason)
		}
	}
	f.decision, f.reason, f.daemon = scheduler.Run, "", d.id
	_, err = tx.ExecContext(ctx, "UPDATE firings SET decision = 'run', reason = NULL, daemon_id = ? WHERE id = ?", d.id, f.id)
	return k, true, err
}

// wait says what becomes of a queued firing, if that is known by now.
func (f *firing) wait(ctx context.Context, tx *sql.Tx, k *scheduler.Kept, now time.Time) (v scheduler.Verdict, decided bool, err error) {
	var replaces, running int
	err = tx.QueryRowContext(ctx, "SELECT count(*), count(*) FILTER (WHERE state = 'running') FROM runs WHERE replaced_by = ?", f.id).
		Scan(&replaces, &running)
	if err != nil {
		return v, false, err
	}
	if running > 0 {
		return scheduler.Replace(false), now.Sub(f.decided) > proofTime, nil
	}
	if replaces > 0 {
		doubt, err := exists(ctx, tx, `
			SELECT 1 FROM results JOIN runs ON runs.id = run_id
			WHERE replaced_by = ? AND (outcome = 'lost' OR remote_state = 'unknown')`, f.id)
		if err != nil || doubt {
			return scheduler.Replace(false), true, err
		}
	}
	busy, err := busyWith(ctx, tx, f.jobID, f.id)
	return scheduler.Verdict{}, k.Overlap.Room(busy.begun+busy.unbegun, k.MaxRunning), err
}

// ticketOf is the ticket of a firing, and of a repetition the one of the instant
// that is repeated.
func (s *Store) ticketOf(ctx context.Context, q queryer, f *firing, k *scheduler.Kept) (scheduler.Ticket, error) {
	if f.repeats != 0 && f.scheduled.IsZero() {
		var at sql.NullString
		err := q.QueryRowContext(ctx, "SELECT scheduled_at FROM runs WHERE id = ?", f.repeats).Scan(&at)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return scheduler.Ticket{}, err
		}
		if f.scheduled, err = parseTime(at); err != nil {
			return scheduler.Ticket{}, err
		}
	}
	return f.ticket(k), nil
}

// beginFiring writes down that the firing has begun with the run.
func (d *Daemon) beginFiring(ctx context.Context, tx *sql.Tx, id, run int64) error {
	if d == nil {
		return ErrTaken
	}
	res, err := tx.ExecContext(ctx, `
		UPDATE firings SET run_id = ? WHERE id = ? AND daemon_id = ? AND decision = 'run' AND run_id IS NULL AND `+openFirings,
		run, id, d.id)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return ErrTaken
}

// exists reports whether the query has a row.
func exists(ctx context.Context, q queryer, query string, args ...any) (some bool, err error) {
	err = q.QueryRowContext(ctx, "SELECT EXISTS ("+query+")", args...).Scan(&some)
	return some, err
}
