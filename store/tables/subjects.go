package tables

import (
	"database/sql"
	"encoding/json"
	"errors"

	"tutti/scheduler"
)

// Subjects are jobs with their states as their rows are read, in any order of the tables.
type Subjects struct {
	// All has the subjects in the order of their numbers given to NewSubjects.
	All   []scheduler.Subject
	place map[int64]*scheduler.Subject
}

// NewSubjects has no row yet: none of the jobs exists.
func NewSubjects(ids []int64) *Subjects {
	s := &Subjects{All: make([]scheduler.Subject, len(ids)), place: make(map[int64]*scheduler.Subject, len(ids))}
	for i, id := range ids {
		s.All[i].State.ID, s.All[i].State.Removed = id, true
		s.place[id] = &s.All[i]
	}
	return s
}

// Job takes a job.
func (s *Subjects) Job(k scheduler.StoredJob) {
	s.place[k.ID].State.StoredJob, s.place[k.ID].State.Removed = k, false
}

// RevisionColumns are those of job_states for Revision.
const RevisionColumns = "job_id, revision, since, ahead"

// Revision reads a row of job_states.
func (s *Subjects) Revision(scan Scan) error {
	var id int64
	var rev scheduler.Revision
	var since, ahead sql.NullString
	err := scan(&id, &rev, &since, &ahead)
	if err != nil {
		return err
	}
	x := s.place[id]
	x.Rev = rev
	if x.State.Since, err = ParseTime(since); err != nil {
		damaged(&x.State, "since", err)
	}
	if ahead.Valid {
		if err := json.Unmarshal([]byte(ahead.String), &x.State.Ahead); err != nil {
			damaged(&x.State, "ahead", err)
		}
	}
	return nil
}

// damaged marks a job whose state cannot be read: it does not fire, and the others do.
func damaged(s *scheduler.JobState, what string, err error) {
	s.Broken = errors.Join(s.Broken, &scheduler.StateError{What: what, Err: err})
}

// Firing reads a row of OpenFirings, after the jobs were read; first is that of ScanFiring.
func (s *Subjects) Firing(scan, first Scan) error {
	f, err := scanOpenFiring(scan, first)
	if _, ok := errors.AsType[*scheduler.StateError](err); err != nil && !ok {
		return err
	}
	state := &s.place[f.JobID].State
	if state.Removed {
		state.Name = f.Job
	}
	if err != nil {
		state.Broken = errors.Join(state.Broken, err)
		return nil
	}
	state.Open = append(state.Open, f)
	return nil
}

// Spans are times as job_states has them; NULL for none.
func Spans(spans []scheduler.Span) (any, error) {
	if len(spans) == 0 {
		return nil, nil
	}
	said, err := json.Marshal(spans)
	return string(said), err
}
