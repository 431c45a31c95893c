package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"tutti/scheduler"
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
func (d *Daemon) mayClaim(firings []scheduler.FiringRecord) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	some, given := false, make(map[int64]bool)
	for _, f := range firings {
		given[f.ID] = d.given[f.ID]
		some = some || !d.given[f.ID]
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
	members := make(map[int64]scheduler.Member)
	for _, f := range firings {
		if _, known := members[f.Daemon]; known || f.Daemon == 0 || f.Daemon == d.id {
			continue
		}
		if members[f.Daemon], err = d.store.member(ctx, tx, f.Daemon); err != nil {
			return nil, err
		}
	}
	by := scheduler.Claimant{ID: d.id, Has: d.has, Member: func(id int64) scheduler.Member { return members[id] }}
	for _, job := range jobsWith(firings) {
		t, err := d.store.apply(ctx, tx, job.id, job.name, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			return s.Claim(by, at), nil
		})
		if err != nil {
			return nil, err
		}
		tickets = append(tickets, t.Tickets...)
	}
	slices.SortFunc(tickets, func(a, b scheduler.Ticket) int { return cmp.Compare(a.ID, b.ID) })
	return tickets, nil
}

// member is what is known of a process that carries out firings.
func (s *Store) member(ctx context.Context, q queryer, id int64) (m scheduler.Member, err error) {
	if m.Alive, err = s.locks.held(daemonLocks + id); err != nil {
		return m, err
	}
	m.Serves, err = s.serves(ctx, q, id)
	return m, err
}

// serves reports whether the process is a daemon.
func (s *Store) serves(ctx context.Context, q queryer, id int64) (bool, error) {
	return exists(ctx, q, "SELECT 1 FROM daemons WHERE id = ? AND serves", id)
}

// beginFiring writes down that the firing has begun with the run.
func (d *Daemon) beginFiring(ctx context.Context, tx *sql.Tx, id, run int64) error {
	if d == nil {
		return ErrTaken
	}
	f, err := firingByID(ctx, tx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrTaken
	}
	if err != nil {
		return err
	}
	_, err = d.store.apply(ctx, tx, f.JobID, f.Job, d.clock(), func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
		return s.Begin(id, run, d.id, at)
	})
	return err
}

// exists reports whether the query has a row.
func exists(ctx context.Context, q queryer, query string, args ...any) (some bool, err error) {
	err = q.QueryRowContext(ctx, "SELECT EXISTS ("+query+")", args...).Scan(&some)
	return some, err
}
