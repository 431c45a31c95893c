package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
)

// maxMessageHosts is how many hosts a message names.
const maxMessageHosts = 20

// The kinds of receivers of a message.
const (
	kindWebhook = "webhook"
	kindCommand = "command"
)

// tellMissed is tell for instants that were not run, of the firing of that
// number.
func tellMissed(ctx context.Context, tx *sql.Tx, k *scheduler.Kept, id int64, now time.Time) error {
	f, err := firingByID(ctx, tx, id)
	if err != nil {
		return err
	}
	return tell(ctx, tx, k, &f, nil, scheduler.Message{Type: scheduler.OnMissed.String(), Time: now, Failures: k.Streak.Failures}, now)
}

// tell puts a message about a firing and its run, if there is one, into the
// outbox, once for each receiver that the job names. m has what they do not say.
func tell(ctx context.Context, tx *sql.Tx, k *scheduler.Kept, f *firing, run *Run, m scheduler.Message, now time.Time) error {
	m.Schema, m.Job, m.Machine = 1, k.Name, machineName()
	m.Selector, m.Command = k.Selector, k.Command
	describeFiring(&m, f)
	if run != nil {
		if err := describeRun(ctx, tx, &m, run); err != nil {
			return err
		}
	}
	receivers := []struct{ kind, target, secret string }{
		{kindWebhook, k.Notify.Webhook, k.Notify.SecretFile}, {kindCommand, k.Notify.Command, ""},
	}
	for _, r := range receivers {
		if r.target == "" {
			continue
		}
		if m.ID == 0 {
			// The message has the number of its first row.
			err := tx.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'outbox'").Scan(&m.ID)
			if err != nil {
				return err
			}
		}
		said, err := json.Marshal(m)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO outbox (firing_id, occasion, kind, target, secret, message, due_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			f.id, m.Type, r.kind, r.target, text(r.secret), string(said), timeText(now))
		if err != nil {
			return err
		}
	}
	return nil
}

// machineName is empty if the system does not tell.
func machineName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

func describeFiring(m *scheduler.Message, f *firing) {
	m.Firing, m.Decision, m.Reason = f.id, f.decision.String(), f.reason
	m.ScheduledAt, m.DueAt = timeOrNil(f.scheduled), timeOrNil(f.due)
	if f.decision == scheduler.Missed {
		m.Missed, m.MissedFirst, m.MissedLast = f.gap.Count, timeOrNil(f.gap.First), timeOrNil(f.gap.Last)
		if m.MissedFirst == nil {
			m.MissedFirst, m.MissedLast = m.ScheduledAt, m.ScheduledAt
		}
	}
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func describeRun(ctx context.Context, tx *sql.Tx, m *scheduler.Message, run *Run) (err error) {
	s := run.Summary
	m.Run, m.State, m.Stopped, m.ExitCode = run.ID, string(run.State), s.Stopped.String(), run.ExitCode
	m.StartedAt, m.EndedAt = timeOrNil(s.Started), timeOrNil(s.Ended)
	if run.State != Interrupted { // of which nobody knows when it ended
		m.DurationMS = max(0, s.Ended.Sub(s.Started).Milliseconds())
	}
	m.Selector, m.Command, m.Hosts = run.Selector, run.Command, s.Hosts
	m.Counts = make(map[string]int)
	for _, o := range fanout.Outcomes() {
		if s.Counts[o] > 0 {
			m.Counts[o.String()] = s.Counts[o]
		}
	}
	m.HostsFailed, err = hostsNotOK(ctx, tx, run.ID)
	return err
}

// hostsNotOK are the first hosts of a run that are not ok.
func hostsNotOK(ctx context.Context, tx *sql.Tx, run int64) ([]scheduler.MessageHost, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT host, outcome, exit_code, coalesce(error, '') FROM results
		WHERE run_id = ? AND outcome <> 'ok' ORDER BY position LIMIT ?`, run, maxMessageHosts)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var hosts []scheduler.MessageHost
	for rows.Next() {
		var h scheduler.MessageHost
		if err := rows.Scan(&h.Host, &h.Outcome, &h.ExitCode, &h.Error); err != nil {
			return nil, err
		}
		hosts = append(hosts, h)
	}
	return hosts, rows.Err()
}
