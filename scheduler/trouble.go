package scheduler

import (
	"log/slog"
	"time"
)

// sayAgain is how often trouble is logged that does not end.
const sayAgain = time.Minute

// A trouble keeps what cannot be done with the ledger at the moment, so that a disk
// that is full for a night is not a line in the log for each second of it.
type trouble struct {
	log *slog.Logger
	// now is what there was in this turn.
	now map[string]error
	// by is what cannot be done.
	by map[string]*attempts
}

// attempts are those at one thing that have failed in a row.
type attempts struct {
	count       int
	first, said time.Time
}

// turn begins a turn.
func (t *trouble) turn() { t.now = map[string]error{} }

// any reports whether there was some in this turn, or the last one if it has
// ended.
func (t *trouble) any() bool { return len(t.now) > 0 }

// note takes in how an attempt at doing went, and reports whether it succeeded.
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
	if a.said.IsZero() || time.Since(a.said) >= sayAgain {
		a.said = time.Now()
		t.log.Error("history database failed; retrying", "doing", doing, "failed", a.count, "error", err)
	}
	return false
}
