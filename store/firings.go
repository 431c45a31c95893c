package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"tutti/scheduler"
)

// RequestFiring lets a job be run out of turn, which by wants. The ticket says
// what the job's overlap has decided: Run or Queued, or that it is not run and
// why. A daemon claims it if the caller does not, see ClaimFiring. The error is a
// *NoJobError if there is no such job.
func (s *Store) RequestFiring(ctx context.Context, job, by string, now time.Time) (scheduler.Ticket, error) {
	return s.request(ctx, s, job, by, 0, now)
}

// Request is RequestFiring and ClaimFiring in one, so that nobody is in between.
func (d *Daemon) Request(ctx context.Context, job, by string, now time.Time) (scheduler.Ticket, error) {
	d.tick(now)
	return d.store.request(ctx, d, job, by, d.id, now)
}

func (s *Store) request(ctx context.Context, states scheduler.States, job, by string, daemon int64, now time.Time) (ticket scheduler.Ticket, err error) {
	if err := s.changeable(); err != nil {
		return ticket, err
	}
	k, err := s.Job(ctx, job)
	if err != nil {
		return ticket, err
	}
	t, err := scheduler.NewDesk(states).Apply(ctx, k.ID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
		switch {
		case s.Removed:
			return scheduler.Transition{}, &NoJobError{Name: job}
		case s.Broken != nil:
			return scheduler.Transition{}, s.Broken
		}
		return s.Request(by, daemon, at), nil
	})
	if err != nil {
		return ticket, s.fault("change", err)
	}
	return t.Tickets[0], nil
}

// ClaimFiring gives a firing that was requested to owner, whoever else is about
// to begin it. The ticket's Decision is Run if it is owner's to begin now, and
// Queued if it has to wait for others of the job: ask again. Any other says that
// it is not run, and why in the Reason. The error is ErrTaken if it has begun.
func (s *Store) ClaimFiring(ctx context.Context, owner *Daemon, id int64, now time.Time) (ticket scheduler.Ticket, err error) {
	if err := s.changeable(); err != nil {
		return ticket, err
	}
	owner.tick(now)
	f, err := s.firing(ctx, id)
	if err != nil {
		return ticket, err
	}
	t, err := scheduler.NewDesk(owner).Apply(ctx, f.JobID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
		return s.Take(id, owner.id, at)
	})
	switch {
	case err == nil:
		return t.Tickets[0], nil
	case !errors.Is(err, ErrTaken):
		return ticket, err
	}
	// It may be settled without a run.
	if f, err = s.firing(ctx, id); err != nil || f.Run != 0 {
		return ticket, cmp.Or(err, ErrTaken)
	}
	subjects, err := s.Load(ctx, []int64{f.JobID})
	if err != nil {
		return ticket, err
	}
	return subjects[0].State.Ticket(f), nil
}

// firing is ErrTaken if there is no such firing any more.
func (s *Store) firing(ctx context.Context, id int64) (scheduler.FiringRecord, error) {
	f, err := firingByID(ctx, s.r, id)
	if errors.Is(err, sql.ErrNoRows) {
		return f, ErrTaken
	}
	return f, s.fault("read", err)
}

// A FiringQuery chooses firings. The zero value chooses all.
type FiringQuery struct {
	// Job is the name of a job, which may have been removed; "": any.
	Job string
	// Decisions are those that count; nil: any.
	Decisions []scheduler.Decision
	// Since is the earliest decision; zero: any.
	Since time.Time
	// Limit is how many are returned at most; 0: all.
	Limit int
}

// A FiringRow is what became of an instant of a job, or of a row of them.
type FiringRow struct {
	ID int64
	// Job is the job's name, and JobID its number.
	Job   string
	JobID int64
	// ScheduledAt is the instant; zero if the job was run out of turn or again,
	// and for a row of missed instants. DueAt is when it had to begin.
	ScheduledAt, DueAt time.Time
	Decision           scheduler.Decision
	// Reason says why it was not run, or not yet, and of a run who wanted that it
	// ends; empty if nobody did.
	Reason string
	// RunID is the number of the run; 0: none. Run is nil without one, and if it
	// was pruned.
	RunID int64
	Run   *Run
	// Missed are the instants, of a firing that stands for more than its own.
	Missed scheduler.Gap
	// DecidedAt is when that was written down first.
	DecidedAt time.Time
	// RequestedBy is who wanted the run out of turn; empty: nobody.
	RequestedBy string
	// Repeats is the number of a run that was cut off; 0: it repeats none.
	Repeats int64
	// CaughtUp: it was late, and waited for those before it.
	CaughtUp bool
	// Notifications are the attempts to tell somebody, the oldest first.
	Notifications []NotificationRow
}

// A NotificationRow is an attempt to tell somebody of a firing.
type NotificationRow struct {
	At time.Time
	// Occasion is the word of a [scheduler.Occasion].
	Occasion string
	// Kind is webhook or command, and Target where it went, without what may be
	// a secret.
	Kind, Target string
	Attempt      int
	// Error is empty if it arrived. If it did not, Waiting says that it will be
	// tried again; else it was given up.
	Error   string
	Waiting bool
}

// Firings returns the firings that fit q, newest first.
func (s *Store) Firings(ctx context.Context, q FiringQuery) ([]FiringRow, error) {
	rows, err := s.firings(ctx, q)
	return rows, s.fault("read", err)
}

func (s *Store) firings(ctx context.Context, q FiringQuery) ([]FiringRow, error) {
	where, args := q.where()
	firings, err := selectFirings(ctx, s.r, where, args...)
	if err != nil {
		return nil, err
	}
	rows := make([]FiringRow, len(firings))
	var ids, runIDs []int64
	for i, f := range firings {
		rows[i] = FiringRow{
			ID: f.ID, Job: f.Job, JobID: f.JobID, ScheduledAt: f.At, DueAt: f.Due, Decision: f.Decision, Reason: f.Reason,
			RunID: f.Run, DecidedAt: f.Decided, RequestedBy: f.RequestedBy, Repeats: f.Repeats,
			CaughtUp: f.CaughtUp,
		}
		if !f.Gap.First.IsZero() {
			rows[i].Missed = f.Gap
		}
		ids, runIDs = append(ids, f.ID), append(runIDs, f.Run)
	}
	runs, err := s.runsByID(ctx, s.r, runIDs)
	if err != nil {
		return nil, err
	}
	notes, err := s.notifications(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].Run, rows[i].Notifications = runs[rows[i].RunID], notes[rows[i].ID]
	}
	return rows, nil
}

func (q FiringQuery) where() (string, []any) {
	where, args := "1", []any{}
	if q.Job != "" {
		where, args = where+" AND job = ?", append(args, q.Job)
	}
	if q.Decisions != nil {
		where += " AND decision IN (" + placeholders(len(q.Decisions)) + ")"
		for _, d := range q.Decisions {
			args = append(args, d.String())
		}
	}
	if !q.Since.IsZero() {
		where, args = where+" AND decided_at >= ?", append(args, timeText(q.Since))
	}
	where += " ORDER BY id DESC"
	if q.Limit > 0 {
		where += " LIMIT " + strconv.Itoa(q.Limit)
	}
	return where, args
}

func (s *Store) runsByID(ctx context.Context, q queryer, ids []int64) (map[int64]*Run, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	runs, err := s.selectRuns(ctx, q, "SELECT "+runColumns+" FROM runs WHERE id IN (SELECT value FROM json_each(?))", string(list))
	byID := make(map[int64]*Run, len(runs))
	for i := range runs {
		byID[runs[i].ID] = &runs[i]
	}
	return byID, err
}

func (s *Store) notifications(ctx context.Context, firings []int64) (map[int64][]NotificationRow, error) {
	list, err := json.Marshal(firings)
	if err != nil {
		return nil, err
	}
	rows, err := s.r.QueryContext(ctx, `
		SELECT firing_id, at, occasion, kind, target, attempt, coalesce(error, ''), EXISTS (
			SELECT 1 FROM outbox AS o WHERE o.firing_id = n.firing_id AND o.occasion = n.occasion AND o.kind = n.kind)
		FROM notifications AS n WHERE firing_id IN (SELECT value FROM json_each(?)) ORDER BY id`, string(list))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	notes := make(map[int64][]NotificationRow)
	for rows.Next() {
		var firing int64
		var n NotificationRow
		var at sql.NullString
		if err := rows.Scan(&firing, &at, &n.Occasion, &n.Kind, &n.Target, &n.Attempt, &n.Error, &n.Waiting); err != nil {
			return nil, err
		}
		if n.At, err = parseTime(at); err != nil {
			return nil, err
		}
		notes[firing] = append(notes[firing], n)
	}
	return notes, rows.Err()
}
