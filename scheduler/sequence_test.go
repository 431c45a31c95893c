package scheduler

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tutti/fanout"
)

// A sequence applies events to a job in random order, with daemons that come and go.
type sequence struct {
	*memory
	tb          testing.TB
	rand        *rand.Rand
	now         time.Time
	daemons     []*member
	hands       map[*member][]Assignment // claimed and not started
	begun       map[int64]int64          // the run of each firing
	completions map[int64]int            // how often each firing was settled
	log         []string
}

// TestRulesInAnyOrder: in any order of events, a scheduled time is decided once, a
// firing is started once and settled once, and no more run than may.
func TestRulesInAnyOrder(t *testing.T) {
	for _, o := range []Overlap{OverlapSkip, OverlapQueue, OverlapAllow, OverlapReplace} {
		t.Run(o.String(), func(t *testing.T) {
			for seed := range uint64(60) {
				s := newSequence(t, seed, o)
				for range 80 {
					s.step()
					if s.check(); t.Failed() {
						t.Fatalf("seed %d: %q", seed, s.log)
					}
				}
				s.wind()
			}
		})
	}
}

func newSequence(tb testing.TB, seed uint64, o Overlap) *sequence {
	s := &sequence{
		memory: newMemory(), tb: tb, rand: rand.New(rand.NewPCG(seed, 1)), now: clock(0),
		hands: map[*member][]Assignment{}, begun: map[int64]int64{}, completions: map[int64]int{},
	}
	j := NewJob("job", "UTC")
	j.Schedules, j.Overlap, j.MaxRunning, j.Idempotent = []string{"* * * * *"}, o, 2, true
	s.keep(j, s.now)
	s.daemons = []*member{s.join(), s.join()}
	return s
}

// step applies one random event.
func (s *sequence) step() {
	d := s.daemons[s.rand.IntN(len(s.daemons))]
	switch n := s.rand.IntN(20); {
	case n < 5:
		s.decide(d)
	case n < 8:
		s.claim(d)
	case n < 11:
		s.begin(d)
	case n < 14:
		s.end()
	case n < 16:
		s.settle(d)
	case n == 16:
		s.say("kill")
		s.kill("job")
	case n == 17:
		s.say("request")
		s.ask("job", "ann")
	case n == 18:
		s.say("die %d", d.id)
		d.die()
		s.daemons[slices.Index(s.daemons, d)] = s.join()
		s.must(s.daemons[0].Repair(s.tb.Context()))
	default:
		s.now = s.now.Add(time.Duration(s.rand.IntN(90)) * time.Second)
	}
}

func (s *sequence) say(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

func (s *sequence) must(err error) {
	if err != nil {
		s.tb.Errorf("got %v", err)
	}
}

// decide decides some scheduled times, and sometimes one that was decided before.
func (s *sequence) decide(d *member) {
	jobs, err := d.Kept(s.tb.Context())
	s.must(err)
	x := Decisions{Job: jobs[0], Cursor: jobs[0].Cursor}
	if s.rand.IntN(4) == 0 {
		x.Cursor = x.Cursor.Add(-time.Minute)
	}
	for range 1 + s.rand.IntN(3) {
		x.Cursor = x.Cursor.Add(time.Minute)
		x.Firings = append(x.Firings, Firing{ScheduledTime: ScheduledTime{At: x.Cursor}, Due: s.now})
	}
	late := s.rand.IntN(len(x.Firings) + 1)
	x.CaughtUp, x.Firings = x.Firings[:late], x.Firings[late:]
	d.now = s.now
	s.say("decide %d", late+len(x.Firings))
	_, err = d.Decide(s.tb.Context(), x)
	s.must(err)
}

func (s *sequence) claim(d *member) {
	s.say("claim %d", d.id)
	assignments, err := d.Claim(s.tb.Context(), s.now)
	s.must(err)
	for _, t := range assignments {
		if t.Decision == Run {
			s.hands[d] = append(s.hands[d], t)
		}
	}
}

// begin starts or fails what the daemon has claimed, unless it was closed.
func (s *sequence) begin(d *member) {
	hand := s.hands[d]
	if len(hand) == 0 {
		return
	}
	t := hand[0]
	s.hands[d] = hand[1:]
	if s.rand.IntN(8) == 0 {
		s.say("fail %d", t.ID)
		d.now = s.now
		if err := d.Fail(s.tb.Context(), t, Failed, "no host"); !errors.Is(err, ErrConflict) {
			s.must(err)
		}
		return
	}
	s.say("begin %d", t.ID)
	row := s.rows[t.ID-1]
	if !row.Unstarted() {
		_, err := s.apply(1, s.now, func(state JobState, at Moment) (Transition, error) { return state.Begin(t.ID, 99, d.id, at) })
		if !errors.Is(err, ErrTaken) {
			s.tb.Errorf("firing %d, which is closed: got %v, want %v", t.ID, err, ErrTaken)
		}
		return
	}
	run, err := s.memory.begin(d.id, t, s.now)
	s.must(err)
	if before := s.begun[t.ID]; before != 0 {
		s.tb.Errorf("firing %d was begun as run %d and as %d", t.ID, before, run)
	}
	s.begun[t.ID] = run
}

// end ends a run: with success, with a failure, or without a process that records it.
func (s *sequence) end() {
	for _, r := range s.runs {
		if !r.running() {
			continue
		}
		s.say("end %d", r.Run)
		if s.rand.IntN(4) == 0 {
			r.left = true
			s.must(s.daemons[0].Repair(s.tb.Context()))
			return
		}
		why := fanout.StoppedNone
		if s.stopBy(r.Run) != "" {
			why = fanout.StoppedKill
		}
		s.endFor(r.Run, s.rand.IntN(2) == 0, s.now, why)
		return
	}
}

func (s *sequence) settle(d *member) {
	s.say("settle")
	completions, err := d.Settle(s.tb.Context(), s.now)
	s.must(err)
	for _, e := range completions {
		s.completions[e.ID]++
	}
}

// check checks the invariants.
func (s *sequence) check() {
	running, open, times := 0, 0, map[time.Time]int64{}
	for _, r := range s.runs {
		if r.running() {
			running++
		}
	}
	for _, row := range s.rows {
		if row.Settled.IsZero() {
			open++
		}
		if n := s.completions[row.ID]; n > 1 {
			s.tb.Errorf("firing %d was settled %d times", row.ID, n)
		}
		if before := times[row.At]; before != 0 && !row.At.IsZero() {
			s.tb.Errorf("firings %d and %d are of the same scheduled time", before, row.ID)
		}
		times[row.At] = row.ID
	}
	job := s.jobs[1].state
	if running > 1 && (job.Overlap != OverlapAllow || running > job.MaxRunning) {
		s.tb.Errorf("%d run at once", running)
	}
	if open != len(job.Open) {
		s.tb.Errorf("%d firings are open, and the job has %d", open, len(job.Open))
	}
}

// wind lets everything finish: nothing may wait for ever.
func (s *sequence) wind() {
	for range 40 {
		s.now = s.now.Add(2 * proofTime)
		d := s.daemons[0]
		s.daemons[1].die()
		s.claim(d)
		for len(s.hands[d]) > 0 {
			s.begin(d)
		}
		s.end()
		s.settle(d)
	}
	if open := s.jobs[1].state.Open; len(open) > 0 {
		s.tb.Fatalf("left open: %+v after %q", open, s.log)
	}
	for id := range s.begun {
		if s.completions[id] != 1 {
			s.tb.Errorf("firing %d was begun and settled %d times", id, s.completions[id])
		}
	}
}
