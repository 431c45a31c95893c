package scheduler

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Daemons with a preference leave one another's jobs alone, and what one of them does not
// decide another does a step later.
func TestPreference(t *testing.T) {
	const jobs, seconds, step = 30, 20, 300 * time.Millisecond
	for _, hangs := range []bool{false, true} {
		t.Run(fmt.Sprintf("one hangs %t", hangs), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				all := []*rig{another(m), another(m), another(m)}
				for i := range jobs {
					all[0].add(fmt.Sprintf("job%d", i), "* * * * * *", func(j *Job) { j.Overlap, j.MaxRunning = OverlapAllow, 99 })
				}
				if hangs {
					all = all[1:] // the first is registered, and does nothing
				}
				for i, r := range all {
					r.daemon.Stagger = step
					for j := range jobs {
						r.takes[fmt.Sprintf("job%d", j)] = 0
					}
					pass(time.Duration(i+1) * time.Millisecond) // they do not run in step
					r.start(t)
				}
				pass(seconds * time.Second)
				for _, r := range all {
					r.finish(t)
				}
				late := 0
				for _, row := range m.rows {
					switch lag := row.Decided.Sub(row.At); {
					case lag > 2*step+10*time.Millisecond:
						t.Errorf("the firing of %s was decided %s late", row.At, lag)
					case lag >= step:
						late++
					}
				}
				if len(m.rows) < jobs*(seconds-1) || late > 0 != hangs {
					t.Errorf("got %d firings, %d of them late", len(m.rows), late)
				}
				if m.overtaken > len(m.rows)/5 {
					t.Errorf("got %d conflicts in %d firings", m.overtaken, len(m.rows))
				}
			})
		})
	}
}

// Each daemon comes first for its share of the jobs, and no two come at the same place.
func TestRank(t *testing.T) {
	const jobs = 3000
	p := preference{step: time.Second, peers: []int64{11, 12, 13}}
	firsts := map[int64]int{}
	for job := range int64(jobs) {
		places := map[int]bool{}
		for _, peer := range p.peers {
			rank := p.rank(job, peer)
			if places[rank] = true; rank == 0 {
				firsts[peer]++
			}
		}
		if len(places) != 3 || !places[0] || !places[2] || p.rank(job, 14) != 3 {
			t.Fatalf("job %d: got the places %v, and %d for a stranger", job, places, p.rank(job, 14))
		}
	}
	for _, peer := range p.peers {
		if n := firsts[peer]; n < jobs/4 || n > jobs/2 {
			t.Errorf("daemon %d comes first for %d jobs of %d", peer, n, jobs)
		}
	}
}

// Without a step the other daemons are not looked for.
func TestNoPreference(t *testing.T) {
	m := newMemory()
	member := m.join()
	var p preference
	if err := p.look(context.Background(), member); err != nil || m.calls != 0 {
		t.Errorf("got %v after %d calls, want none", err, m.calls)
	}
	due := &entry{job: StoredJob{ID: 1}, due: time.Now()}
	if wait := p.wait(due, member.id, due.due); wait != 0 {
		t.Errorf("got a wait of %s", wait)
	}
}
