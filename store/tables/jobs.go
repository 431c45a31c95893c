package tables

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"tutti/scheduler"
)

// Specs cache the parsed specs of jobs: a daemon reads all jobs again after each
// write to the history, and parsing a text takes much longer than comparing it. The zero
// value is empty; many goroutines may use it at once.
type Specs struct {
	mu    sync.Mutex // guards known
	known map[int64]spec
}

type spec struct {
	text string
	job  scheduler.Job
	err  error
}

// job returns the job of which text is the spec; id is the job's.
func (s *Specs) job(id int64, text string) (scheduler.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.known[id]; ok && known.text == text {
		return known.job, known.err
	}
	var job scheduler.Job
	err := json.Unmarshal([]byte(text), &job)
	if err != nil {
		job = scheduler.Job{}
	}
	if s.known == nil {
		s.known = make(map[int64]spec)
	}
	s.known[id] = spec{text: text, job: job, err: err}
	return job, err
}

// JobColumns are those of a job, in the order of Specs.Scan.
const JobColumns = `id, name, version, spec, paused, cursor, failures, failing_since, alarm, updated_at, updated_by, scope, webhook_by,
	paused_by, paused_at, paused_until, paused_note`

// unknownUser is the subject of no user.
const unknownUser = "unknown"

// Scan reads a job. What cannot be read of it makes it broken. first is that of
// ScanFiring.
func (s *Specs) Scan(scan, first Scan) (k scheduler.StoredJob, err error) {
	var name, spec string
	var version int64
	var paused bool
	var cursor, updated, since, alarm, scope, webhookBy, pausedBy, pausedAt, until, note sql.NullString
	wrong := scan(&k.ID, &name, &version, &spec, &paused, &cursor, &k.ConsecutiveFailures.Count, &since, &alarm, &updated, &k.UpdatedBy, &scope, &webhookBy,
		&pausedBy, &pausedAt, &until, &note)
	if wrong != nil {
		if err := first(&k.ID, &name, &version, &spec); err != nil {
			return k, err
		}
		wrong = &scheduler.StateError{What: "row", Err: wrong}
		webhookBy.String = unknownUser // who set it is not known, and need not have been an admin
	}
	k.Job, k.Broken = s.job(k.ID, spec)
	k.Broken = errors.Join(k.Broken, wrong)
	// These have their own columns, which override the spec.
	k.Name, k.Version, k.Paused, k.Alarm = name, version, paused, alarm.String
	if k.Scopes, err = ParseList(scope); err != nil {
		k.Broken = errors.Join(k.Broken, fmt.Errorf("scope: %w", err)) // without its scopes it would run anywhere
	}
	k.Notify.WebhookBy = webhookBy.String
	k.Pause.By, k.Pause.Note = pausedBy.String, note.String
	for _, c := range []struct {
		name string
		to   *time.Time
		text sql.NullString
	}{
		{"cursor", &k.Cursor, cursor},
		{"failing_since", &k.ConsecutiveFailures.Since, since},
		{"updated_at", &k.UpdatedAt, updated},
		{"paused_at", &k.Pause.At, pausedAt},
		{"paused_until", &k.Pause.Until, until},
	} {
		if *c.to, err = ParseTime(c.text); err != nil {
			k.Broken = errors.Join(k.Broken, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return k, nil
}
