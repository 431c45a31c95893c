package scheduler

import (
	"log/slog"
	"time"
)

// logTroubleEvery is how often trouble is logged that goes on.
const logTroubleEvery = time.Minute

// A trouble tracks the activities that fail at present, so that a disk that is full for
// a night does not log a line for each second of it.
type trouble struct {
	log *slog.Logger
	// now has the errors of this turn, by activity.
	now map[string]error
	// by has the failing attempts, by activity.
	by map[string]*attempts
}

// attempts are the consecutive failed attempts at one activity.
type attempts struct {
	count         int
	first, logged time.Time
}

// turn begins a turn.
func (t *trouble) turn() { t.now = map[string]error{} }

// any reports whether an activity failed in the present turn; between turns, in the
// last one.
func (t *trouble) any() bool { return len(t.now) > 0 }

// note records the result of an attempt at an activity, and reports whether it
// succeeded.
func (t *trouble) note(doing string, err error) bool {
	a := t.by[doing]
	if err == nil {
		if a != nil {
			t.log.Info("history database recovered", "doing", doing, "failed", a.count, "for_ms", time.Since(a.first).Milliseconds())
			delete(t.by, doing)
		}
		return true
	}
	t.now[doing] = err
	if a == nil {
		a = &attempts{first: time.Now()}
		if t.by == nil {
			t.by = map[string]*attempts{}
		}
		t.by[doing] = a
	}
	a.count++
	if a.logged.IsZero() || time.Since(a.logged) >= logTroubleEvery {
		a.logged = time.Now()
		t.log.Error("history database failed; retrying", "doing", doing, "failed", a.count, "error", err)
	}
	return false
}
