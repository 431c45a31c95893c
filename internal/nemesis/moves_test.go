package nemesis

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

// A move is something that the nemesis does.
type move struct {
	name string
	do   func(*nemesis) error
}

// moves are those against daemons, and the others.
var moves = append([]move{
	{"a daemon is killed", func(n *nemesis) error { return n.replace((*daemon).kill) }},
	{"a daemon is asked to end", func(n *nemesis) error { return n.replace((*daemon).end) }},
	{"all daemons are killed", (*nemesis).killAll},
	{"a daemon is stopped for a while", (*nemesis).stop},
}, others...)

// others are those against what daemons live on.
var others = []move{
	{"the clock is put forward by a little", func(n *nemesis) error { return n.world.clock.put(n.between(time.Second, 20*time.Second)) }},
	{"the clock is put forward by hours", func(n *nemesis) error { return n.world.clock.put(n.between(time.Hour, 30*time.Hour)) }},
	{"the clock is put back by a little", func(n *nemesis) error { return n.world.clock.put(-n.between(time.Second, 5*time.Second)) }},
	{"the clock is put back by hours for a while", (*nemesis).putBack},
	{"a job is changed", (*nemesis).change},
	{"the schedule of a job is changed", (*nemesis).reschedule},
	{"a job is paused for a while", (*nemesis).pause},
	{"a job is killed", (*nemesis).kill},
	{"a job is run manually", (*nemesis).request},
}

// make makes a move.
func (n *nemesis) make(m move) error {
	n.made[m.name]++
	if err := m.do(n); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	return nil
}

// between draws a duration.
func (n *nemesis) between(low, high time.Duration) time.Duration {
	return low + time.Duration(n.rng.Int64N(int64(high-low)))
}

// daemon draws one.
func (n *nemesis) daemon() *daemon { return n.daemons[n.rng.IntN(len(n.daemons))] }

// job draws the name of one.
func (n *nemesis) job() string { return n.jobs[n.rng.IntN(len(n.jobs))].Name }

// linger lets what was done have its effect for a while.
func (n *nemesis) linger() { n.pass(n.between(100*time.Millisecond, time.Second)) }

// replace ends a daemon and starts another.
func (n *nemesis) replace(end func(*daemon) error) error {
	d := n.daemon()
	if err := end(d); err != nil {
		return err
	}
	if n.rng.IntN(2) == 0 {
		n.linger()
	}
	return d.start(n.t.Context(), n.world)
}

// killAll leaves no daemon, for a while.
func (n *nemesis) killAll() error {
	for _, d := range n.daemons {
		if err := d.kill(); err != nil {
			return err
		}
	}
	n.linger()
	for _, d := range n.daemons {
		if err := d.start(n.t.Context(), n.world); err != nil {
			return err
		}
	}
	return nil
}

// stop stops a daemon and continues it when other things have happened; or it is
// killed without having noticed anything.
func (n *nemesis) stop() error {
	d := n.daemon()
	if err := d.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	n.linger()
	for range n.rng.IntN(3) {
		err := n.make(others[n.rng.IntN(len(others))])
		if errors.Is(err, store.ErrBusy) {
			n.made["a move is broken off: the stopped daemon has the history locked"]++
			break // it was stopped while it wrote, and it alone can let go
		}
		if err != nil {
			return err
		}
	}
	if n.rng.IntN(4) > 0 {
		return errors.Join(d.signal(syscall.SIGCONT), n.undo())
	}
	if err := d.kill(); err != nil {
		return err
	}
	return errors.Join(d.start(n.t.Context(), n.world), n.undo())
}

// undoing does the second half of a move, which undoes the first; if a stopped daemon has
// the history locked, undo does it.
func (n *nemesis) undoing(half func() error) error {
	err := half()
	if errors.Is(err, store.ErrBusy) {
		n.halves = append(n.halves, half)
	}
	return err
}

// undo does the halves that are left.
func (n *nemesis) undo() error {
	halves := n.halves
	n.halves = nil
	for _, half := range halves {
		if err := half(); err != nil {
			return err
		}
	}
	return nil
}

// putBack puts the clock back by so much that a warning is due, and forward again, or
// nothing new would come for hours.
func (n *nemesis) putBack() error {
	by := n.between(3*time.Hour+time.Minute, 8*time.Hour)
	if err := n.world.clock.put(-by); err != nil {
		return err
	}
	n.pass(n.between(1500*time.Millisecond, 2500*time.Millisecond))
	return n.world.clock.put(by + n.between(0, time.Minute))
}

// edit changes a job, as often as conflicting update.
func (n *nemesis) edit(name string, how func(*scheduler.Job)) error {
	for {
		k, err := n.history.Job(n.t.Context(), name)
		if err != nil {
			return err
		}
		how(&k.Job)
		_, err = n.history.ChangeJob(n.t.Context(), k.Job, "nemesis", n.world.clock.now())
		if !errors.As(err, new(*store.JobChangedError)) {
			return err
		}
	}
}

// change changes settings of a job that do not affect its scheduled times.
func (n *nemesis) change() error {
	return n.edit(n.job(), func(j *scheduler.Job) {
		j.Grace = n.between(2*time.Second, time.Minute).Truncate(time.Second)
		j.CatchUp = []scheduler.CatchUp{scheduler.CatchUpLatest, scheduler.CatchUpNone, scheduler.CatchUpAll}[n.rng.IntN(3)]
	})
}

// reschedule changes the schedule of the job whose scheduled times are not counted.
func (n *nemesis) reschedule() error {
	return n.edit(restless, func(j *scheduler.Job) {
		j.Schedules = []string{fmt.Sprintf("*/%d * * * * *", 1+n.rng.IntN(4))}
	})
}

func (n *nemesis) pause() error {
	name := n.job()
	if err := n.edit(name, func(j *scheduler.Job) { j.Paused = true }); err != nil {
		return err
	}
	n.linger()
	return n.undoing(func() error { return n.edit(name, func(j *scheduler.Job) { j.Paused = false }) })
}

func (n *nemesis) kill() error {
	_, err := n.history.KillRuns(n.t.Context(), store.KillRef{Job: n.job()}, "nemesis", n.world.clock.now())
	return err
}

func (n *nemesis) request() error {
	_, err := n.history.RequestFiring(n.t.Context(), n.job(), "nemesis", n.world.clock.now())
	return err
}
