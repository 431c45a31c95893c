package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

func testCreate(t *testing.T, b *bed) {
	first, second := b.add("backup"), b.add("sweep")
	if first.Rev == 0 || first.State.ID == second.State.ID || !first.State.Cursor.Equal(noon) || first.State.Version != 1 {
		t.Errorf("got %+v, want a job at noon with a number of its own", first)
	}
	if _, err := b.Create(t.Context(), first.State.Job, "bob", noon); !errors.Is(err, scheduler.ErrConflict) {
		t.Errorf("the same name: got %v, want %v", err, scheduler.ErrConflict)
	}
	found, err := b.Find(t.Context(), "sweep")
	if err != nil || len(found) != 1 || found[0].State.ID != second.State.ID {
		t.Errorf("found %+v, %v, want the job", found, err)
	}
	if found, err := b.Find(t.Context(), "none"); err != nil || len(found) > 0 {
		t.Errorf("found %+v, %v, want none", found, err)
	}
	if none := b.load(99); none.Rev != 0 || !none.State.Removed {
		t.Errorf("got %+v of no job, want none", none)
	}
}

// request is a move that requests a firing.
func (b *bed) request(s scheduler.Subject, by string) scheduler.Move {
	b.Helper()
	first, err := b.Numbers(b.Context(), 1)
	b.must(err)
	return scheduler.Move{From: s.Rev, Transition: s.State.Request(by, 0, scheduler.Moment{Now: minute(1), NextID: first})}
}

func (b *bed) commit(moves ...scheduler.Move) []scheduler.Committed {
	b.Helper()
	done, err := b.Commit(b.Context(), moves)
	b.must(err)
	if len(done) != len(moves) {
		b.Fatalf("got %d answers to %d moves", len(done), len(moves))
	}
	return done
}

// A move is made at its revision, once.
func testCommit(t *testing.T, b *bed) {
	s := b.add("backup", func(j *scheduler.Job) { j.Overlap, j.MaxRunning = scheduler.OverlapAllow, 9 })
	first, second := b.request(s, "ann"), b.request(s, "bob")
	done := b.commit(first)
	if done[0].Err != nil || done[0].Rev <= s.Rev {
		t.Fatalf("got %+v, want a later revision than %d", done[0], s.Rev)
	}
	for name, m := range map[string]scheduler.Move{"another": second, "the same again": first} {
		if err := b.commit(m)[0].Err; !errors.Is(err, scheduler.ErrConflict) {
			t.Errorf("%s: got %v, want %v", name, err, scheduler.ErrConflict)
		}
	}
	now := b.load(s.State.ID)
	if now.Rev != done[0].Rev || len(now.State.Open) != 1 || now.State.Open[0].RequestedBy != "ann" || now.State.Open[0].ID != first.Firings[0].ID {
		t.Errorf("got %+v, want what ann asked for", now)
	}
	// A used number is refused, also at the right revision.
	taken := scheduler.Move{From: now.Rev, Transition: now.State.Request("eve", 0, scheduler.Moment{Now: minute(1), NextID: first.Firings[0].ID})}
	if err := b.commit(taken)[0].Err; !errors.Is(err, scheduler.ErrConflict) {
		t.Errorf("a number that was used: got %v, want %v", err, scheduler.ErrConflict)
	}
	gone := scheduler.Move{From: 1, Transition: scheduler.JobState{StoredJob: scheduler.StoredJob{ID: 99}}.Request("eve", 0, scheduler.Moment{Now: minute(1), NextID: 1000})}
	if err := b.commit(gone)[0].Err; !errors.Is(err, scheduler.ErrConflict) {
		t.Errorf("no such job: got %v, want %v", err, scheduler.ErrConflict)
	}
	rows, err := b.Firings(t.Context(), store.FiringQuery{})
	if err != nil || len(rows) != 1 {
		t.Errorf("got %d firings, %v, want 1", len(rows), err)
	}
}

// A scheduled time has one firing, whatever the state says.
func testKnown(t *testing.T, b *bed) {
	s := b.add("backup")
	decide := func() error {
		now := b.load(s.State.ID)
		first, err := b.Numbers(t.Context(), 1)
		b.must(err)
		now.State.Since, now.State.Ahead = now.State.Cursor, nil // a state that knows no decided time
		what := scheduler.Decisions{
			Job: now.State.StoredJob, Cursor: now.State.Cursor.Add(time.Minute),
			Firings: []scheduler.Firing{{ScheduledTime: scheduler.ScheduledTime{At: minute(1)}, Due: minute(1)}},
		}
		next, err := now.State.Decide(what, scheduler.Moment{Now: minute(1), NextID: first})
		b.must(err)
		return b.commit(scheduler.Move{From: now.Rev, Transition: next})[0].Err
	}
	if err := decide(); err != nil {
		t.Fatal(err)
	}
	if err := decide(); !errors.Is(err, scheduler.ErrKnown) {
		t.Errorf("again: got %v, want %v", err, scheduler.ErrKnown)
	}
	if now := b.load(s.State.ID); !now.State.Cursor.Equal(minute(1)) {
		t.Errorf("got the cursor %s, want nothing of what was refused", now.State.Cursor)
	}
}

// Each move of a call is made or refused by itself.
func testBatch(t *testing.T, b *bed) {
	var moves []scheduler.Move
	first, err := b.Numbers(t.Context(), 3)
	b.must(err)
	for i, name := range []string{"a", "b", "c"} {
		s := b.add(name)
		m := scheduler.Move{From: s.Rev, Transition: s.State.Request("ann", 0, scheduler.Moment{Now: minute(1), NextID: first + int64(i)})}
		if name == "b" {
			m.From++
		}
		moves = append(moves, m)
	}
	for i, c := range b.commit(moves...) {
		if refused := i == 1; errors.Is(c.Err, scheduler.ErrConflict) != refused || (c.Err != nil) != refused {
			t.Errorf("move %d: got %v, want it refused: %t", i, c.Err, refused)
		}
	}
	rows, err := b.Firings(t.Context(), store.FiringQuery{})
	if err != nil || len(rows) != 2 || rows[0].Job != "c" || rows[1].Job != "a" {
		t.Errorf("got %+v, %v, want those of a and c", rows, err)
	}
}

// Several members decide and claim the same: each scheduled time has one firing,
// claimed once.
func testRace(t *testing.T, b *bed) {
	const members, jobs = 3, 20
	var ids []int64
	for i := range jobs {
		ids = append(ids, b.add("job"+string(rune('a'+i))).State.ID)
	}
	var mu sync.Mutex // guards claimed
	claimed := map[int64]int{}
	var wg sync.WaitGroup
	for range members {
		w := b.join()
		wg.Go(func() {
			for _, id := range ids {
				_ = w.decide(id, 1) // one member wins
			}
			assignments := w.claim(1)
			mu.Lock()
			defer mu.Unlock()
			for _, x := range assignments {
				claimed[x.Job.ID]++
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if claimed[id] != 1 {
			t.Errorf("job %d was claimed %d times, want once", id, claimed[id])
		}
	}
	rows, err := b.Firings(t.Context(), store.FiringQuery{})
	if err != nil || len(rows) != jobs {
		t.Errorf("got %d firings, %v, want %d", len(rows), err, jobs)
	}
}

// Members that decide many jobs at once and race for all of them decide and claim each
// once, in whatever order they have them.
func testRaceOfBatches(t *testing.T, b *bed) {
	const members = 3
	jobs := 20 * b.rounds
	for i := range jobs {
		b.add(fmt.Sprintf("job%04d", i))
	}
	claimed := make(chan int64, members*jobs)
	var wg sync.WaitGroup
	for range members {
		w := b.join()
		wg.Go(func() {
			w.sync()
			var all []scheduler.Decisions
			for _, k := range w.desk.ListJobs() {
				firing := scheduler.Firing{ScheduledTime: scheduler.ScheduledTime{At: minute(1)}, Due: minute(1)}
				all = append(all, scheduler.Decisions{Job: k, Firings: []scheduler.Firing{firing}, Cursor: minute(1)})
			}
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			_, errs, err := w.desk.Decide(t.Context(), minute(1), all)
			if err != nil {
				t.Errorf("decide: %v", err)
				return
			}
			for _, err := range errs {
				if err != nil && !errors.Is(err, scheduler.ErrConflict) {
					t.Errorf("decide: %v", err)
				}
			}
			for _, x := range w.claim(1) {
				claimed <- x.Job.ID
			}
		})
	}
	wg.Wait()
	close(claimed)
	times := map[int64]int{}
	for job := range claimed {
		if times[job]++; times[job] > 1 {
			t.Errorf("job %d was claimed %d times", job, times[job])
		}
	}
	rows, err := b.Firings(t.Context(), store.FiringQuery{})
	if err != nil || len(rows) != jobs || len(times) != jobs {
		t.Errorf("got %d firings, %v, and %d claimed, want %d of both", len(rows), err, len(times), jobs)
	}
}

// The first Sync returns everything, later ones what changed and what is gone.
func testSync(t *testing.T, b *bed) {
	backup, sweep := b.add("backup"), b.add("sweep")
	w := b.join()
	sync := func(what string, wantChanged, wantGone []int64) {
		t.Helper()
		changes, err := w.Sync(t.Context())
		b.must(err)
		var changed []int64
		for _, s := range changes.Subjects {
			changed = append(changed, s.State.ID)
		}
		slices.Sort(changed)
		if !slices.Equal(changed, wantChanged) || !slices.Equal(changes.Gone, wantGone) {
			t.Errorf("%s: got %v and gone %v, want %v and %v", what, changed, changes.Gone, wantChanged, wantGone)
		}
	}
	sync("at first", []int64{backup.State.ID, sweep.State.ID}, nil)
	sync("nothing happened", nil, nil)
	wake := w.Wake()
	for len(wake) > 0 {
		<-wake
	}
	b.commit(b.request(sweep, "ann"))
	if wake != nil {
		select {
		case <-wake:
		case <-time.After(10 * time.Second):
			t.Error("no one was woken")
		}
	}
	sync("one changed", []int64{sweep.State.ID}, nil)
	b.must(b.RemoveJob(t.Context(), "backup", 0, "ann", minute(1)))
	sync("one is gone", nil, []int64{backup.State.ID})
	// A job that was removed stays until the last of its firings is settled.
	other, third := b.join(), b.add("third").State.ID
	other.claim(1) // the firing that ann requested
	r := other.begin(third, 1)
	sync("one was claimed, one begun", []int64{sweep.State.ID, third}, nil)
	b.must(b.RemoveJob(t.Context(), "third", 0, "ann", minute(1)))
	sync("removed while it runs", []int64{third}, nil)
	other.finish(r, plan("job", 2), 0, 0)
	sync("ended", []int64{third}, nil)
	if endings := other.settle(1); len(endings) != 1 || !endings[0].OK {
		t.Errorf("got %+v, want its end", endings)
	}
	sync("settled", nil, []int64{third})
}

// A member that has left is refused, and its claims are free.
func testFence(t *testing.T, b *bed) {
	job := b.add("backup").State.ID
	first, second := b.join(), b.join()
	if second.Fence() <= first.Fence() {
		t.Errorf("got the fence %d after %d", second.Fence(), first.Fence())
	}
	err := first.decide(job, 1)
	b.must(err)
	assignment := first.claim(1)[0]
	if got := second.claim(1); len(got) > 0 {
		t.Errorf("got %v of a member that is alive", got)
	}
	if _, err := second.Begin(t.Context(), plan("job", 1), second.infoOf(assignment)); !errors.Is(err, store.ErrTaken) {
		t.Errorf("another begins it: got %v, want %v", err, store.ErrTaken)
	}
	late := b.load(job)
	b.must(first.Leave(t.Context()))
	select {
	case <-first.Lost():
	default:
		t.Error("who has left does not know it")
	}
	done, err := first.Daemon.Commit(t.Context(), []scheduler.Move{b.request(late, "ann")})
	if err != nil || !errors.Is(done[0].Err, scheduler.ErrFenced) {
		t.Errorf("commit: got %+v, %v, want %v", done, err, scheduler.ErrFenced)
	}
	if _, err := b.Begin(t.Context(), plan("job", 1), first.infoOf(assignment)); !errors.Is(err, store.ErrTaken) {
		t.Errorf("begin: got %v, want %v", err, store.ErrTaken)
	}
	all, err := b.Controllers(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != second.Fence() || !all[0].Serves {
		t.Errorf("got %+v, %v, want the second alone", all, err)
	}
	inherited := second.claim(1)
	if len(inherited) != 1 || inherited[0].ID != assignment.ID {
		t.Fatalf("got %v, want what the first had", inherited)
	}
	second.finish(second.beginAssigned(inherited[0]), plan("job", 2), 0, 0)
	if _, err := b.Begin(t.Context(), plan("job", 1), second.infoOf(assignment)); !errors.Is(err, store.ErrTaken) {
		t.Errorf("twice: got %v, want %v", err, store.ErrTaken)
	}
}

// A process that takes a run over sees every start that was marked before.
func testTakeover(t *testing.T, b *bed) {
	const hosts = 200
	for round := range b.rounds {
		job := b.add("job" + strings.Repeat("x", round+1)).State.ID
		first, second := b.join(), b.join()
		err := first.decide(job, 1)
		b.must(err)
		assignment := first.claim(1)[0]
		r, err := first.Begin(t.Context(), plan("job", hosts), first.infoOf(assignment))
		b.must(err)
		claim := scheduler.Claim{Run: r.RunID(), Firing: assignment.ID, Fence: first.Fence()}
		marked := make(chan []int, 1)
		half := make(chan struct{})
		go func() {
			var done []int
			for i := range hosts {
				if i == 3 {
					close(half)
				}
				if first.Mark(t.Context(), claim, []int{i}) != nil {
					break
				}
				done = append(done, i)
			}
			marked <- done
		}()
		<-half
		for {
			s := b.load(job)
			s.State.Open[0].Daemon = second.Fence()
			c := b.commit(scheduler.Move{From: s.Rev, Transition: scheduler.Transition{At: minute(1), Next: s.State, Firings: s.State.Open}})
			if c[0].Err == nil {
				break
			}
		}
		seen, err := second.Marks(t.Context(), r.RunID())
		b.must(err)
		if done := <-marked; len(done) > len(seen) {
			t.Fatalf("round %d: %d starts were marked, and %d of them seen", round, len(done), len(seen))
		}
		if err := first.Mark(t.Context(), claim, []int{hosts - 1}); !errors.Is(err, store.ErrTaken) && len(seen) < hosts {
			t.Errorf("afterwards: got %v, want %v", err, store.ErrTaken)
		}
		b.must(r.Close())
		b.must(first.Leave(t.Context()))
		b.must(second.Leave(t.Context()))
	}
}

// All members see a request to stop a run; the first user is recorded.
func testStops(t *testing.T, b *bed) {
	w := b.join()
	r := w.begin(b.add("backup").State.ID, 1)
	alone, err := b.Begin(t.Context(), plan("cli", 1), store.RunInfo{User: "ann"})
	b.must(err)
	runs := []int64{r.RunID(), alone.RunID()}
	if stops, err := b.Stops(t.Context(), runs); err != nil || len(stops) > 0 {
		t.Errorf("got %v, %v, want none", stops, err)
	}
	for _, by := range []string{"ann", "bob"} {
		_, err := b.KillRuns(t.Context(), store.KillRef{Job: "backup"}, by, minute(1))
		b.must(err)
		b.must(b.Stop(t.Context(), scheduler.Stop{Run: alone.RunID(), By: by, At: minute(1)}))
	}
	stops, err := w.Daemon.Stops(t.Context(), runs)
	if err != nil || len(stops) != 2 || stops[0].By != "ann" || stops[1].By != "ann" || !stops[0].At.Equal(minute(1)) {
		t.Errorf("got %+v, %v, want both by ann", stops, err)
	}
	if w.sync(); w.desk.Stopped()[r.RunID()].By == "" {
		t.Error("the state of the job does not say it")
	}
	b.must(alone.Close())
	if err := b.Stop(t.Context(), scheduler.Stop{Run: alone.RunID(), By: "eve", At: minute(1)}); !errors.Is(err, scheduler.ErrConflict) {
		t.Errorf("it has ended: got %v, want %v", err, scheduler.ErrConflict)
	}
	b.must(r.Close())
}

// A run that was halted may be stopped later, and one that was stopped is not halted.
func testHalts(t *testing.T, b *bed) {
	w := b.join()
	r := w.begin(b.add("backup").State.ID, 1)
	alone, err := b.Begin(t.Context(), plan("cli", 1), store.RunInfo{User: "ann"})
	b.must(err)
	runs := []int64{r.RunID(), alone.RunID()}
	for _, step := range []struct {
		by   string
		n    int
		halt bool
		want string
	}{
		{"ann", 1, true, "ann 12:01 true"},
		{"bob", 2, true, "ann 12:01 true"},
		{"bob", 3, false, "bob 12:03 false"},
		{"eve", 4, true, "bob 12:03 false"},
		{"eve", 5, false, "bob 12:03 false"},
	} {
		_, err := b.KillRuns(t.Context(), store.KillRef{Job: "backup", Halt: step.halt}, step.by, minute(step.n))
		b.must(err)
		b.must(b.StopRun(t.Context(), scheduler.Stop{Run: alone.RunID(), By: step.by, At: minute(step.n), Halt: step.halt}))
		line := func(x scheduler.Stop) string { return fmt.Sprintf("%s %s %t", x.By, x.At.Format("15:04"), x.Halt) }
		var got []string
		stops, err := w.Daemon.Stops(t.Context(), runs)
		b.must(err)
		for _, x := range stops {
			got = append(got, line(x))
		}
		w.sync()
		checkSaid(t, fmt.Sprintf("after %+v", step), append(got, line(w.desk.Stopped()[r.RunID()])), step.want, step.want, step.want)
	}
	b.must(alone.Close())
	b.must(r.Close())
	// Nothing of a run that waits has started.
	waiting := b.submit(submission(0))
	b.must(b.StopRun(t.Context(), scheduler.Stop{Run: waiting, By: "ann", At: minute(6), Halt: true}))
	if got := b.byNumber(waiting); got.State != store.Finished || got.Summary.Stopped != fanout.StoppedKill || got.KillBy != "ann" {
		t.Errorf("got %+v, want it ended", got)
	}
}

// A job keeps the scopes of who changed it last, and a firing that is refused for them is
// a failure of the job, once it is settled.
func testScopes(t *testing.T, b *bed) {
	scopes := []string{"web", "dc=madrid"}
	job := b.add("backup", func(j *scheduler.Job) { j.Scopes = scopes })
	if got := b.load(job.State.ID).State.Scopes; !slices.Equal(job.State.Scopes, scopes) || !slices.Equal(got, scopes) {
		t.Errorf("got %q, then %q, want %q", job.State.Scopes, got, scopes)
	}
	w := b.join()
	b.must(w.decide(job.State.ID, 1))
	assignments := w.claim(1)
	if len(assignments) != 1 || !slices.Equal(assignments[0].Job.Scopes, scopes) {
		t.Fatalf("got %+v, want a assignment with the scopes", assignments)
	}
	b.must(w.Fail(t.Context(), assignments[0], scheduler.Refused, "outside the scope"))
	if endings := w.settle(1); len(endings) != 1 || endings[0].OK || endings[0].ConsecutiveFailures.Count != 1 {
		t.Errorf("got %+v, want a failure", endings)
	}
	rows, err := b.Firings(t.Context(), store.FiringQuery{})
	if err != nil || len(rows) != 1 || rows[0].Decision != scheduler.Refused || rows[0].Reason != "outside the scope" {
		t.Errorf("got %+v, %v, want it refused", rows, err)
	}
	next := b.load(job.State.ID).State.Job
	next.Command, next.Scopes = "id", nil
	if _, err := b.ChangeJob(t.Context(), next, "bob", minute(2)); err != nil {
		t.Fatal(err)
	}
	if got := b.load(job.State.ID).State.Scopes; len(got) > 0 {
		t.Errorf("got %q, want none after another's change", got)
	}
}
