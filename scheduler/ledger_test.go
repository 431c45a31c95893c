package scheduler

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestClaimOfWhatWasClaimedMeanwhile: a daemon whose claim conflicts with another's
// finds the firing taken, also by one that had not joined when it looked.
func TestClaimOfWhatWasClaimedMeanwhile(t *testing.T) {
	m := newMemory()
	m.keep(NewJob("job", "UTC"), clock(0))
	first, second := m.join(), m.join()
	m.ask("job", "ann")
	for _, d := range []*member{first, second} {
		if _, err := d.desk.Sync(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	none := func(int64) bool { return false }
	for i, d := range []*member{first, second, second} {
		assignments, err := d.desk.Claim(t.Context(), d, clock(1), none)
		if want := i == 0; err != nil || (len(assignments) == 1) != want {
			t.Errorf("claim %d: got %v, %v, want a assignment: %t", i, assignments, err, want)
		}
	}
	first.die()
	if assignments, err := second.desk.Claim(t.Context(), second, clock(1), none); err != nil || len(assignments) != 1 {
		t.Errorf("got %v, %v, want the assignment of a daemon that is gone", assignments, err)
	}
}

// TestDecideOfKnownTimes: times that a schedule shares with the one before it do not
// fire again when the clock was set back in between.
func TestDecideOfKnownTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "*/10 * * * *")
		r.takes["job"] = time.Second
		r.start(t)
		pass(25 * time.Minute)
		r.put(-25 * time.Minute)
		r.add("job", "*/5 * * * *")
		pass(26 * time.Minute)
		r.finish(t)
		var fired []string
		for _, row := range r.rows {
			fired = append(fired, row.At.UTC().Format("15:04"))
		}
		if want := []string{"00:10", "00:20", "00:05", "00:15", "00:25"}; !slices.Equal(fired, want) {
			t.Errorf("got %q, want %q", fired, want)
		}
		r.wantLog(t, 0, "does not work")
	})
}

// TestDecideManyJobs: the jobs that are due are decided by one commit.
func TestDecideManyJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		for i := range 100 {
			r.add(string(rune('a'+i%26))+string(rune('a'+i/26)), "0 1 * * *")
		}
		r.start(t)
		pass(59*time.Minute + 30*time.Second)
		r.change(func() { r.commits = 0 })
		pass(30 * time.Second)
		if got := r.committed(); got > 2 {
			t.Errorf("got %d commits, want one that decides and one that claims", got)
		}
		if len(r.rows) != 100 {
			t.Errorf("got %d firings, want 100", len(r.rows))
		}
		pass(2 * time.Minute)
		r.finish(t)
	})
}
