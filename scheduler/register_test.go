package scheduler

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// rejoins lets the daemon register again; each attempt before works fails.
func (r *rig) rejoins(works time.Time) {
	r.daemon.Rejoin = func(context.Context) (Membership, error) {
		if time.Now().Before(works) {
			return nil, errDisk
		}
		r.member = r.join()
		return r.member, nil
	}
}

// A daemon whose registration was ended by others goes on under a new one.
func TestDaemonRegistersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "*/5 * * * *")
		r.rejoins(time.Time{})
		r.start(t)
		pass(5*time.Minute + 30*time.Second)
		first := r.member
		first.evict()
		pass(time.Second)
		if r.member.Fence() <= first.Fence() {
			t.Fatalf("got the registration %d after %d", r.member.Fence(), first.Fence())
		}
		pass(6 * time.Minute)
		r.finish(t)
		r.wantRows(t, "job", `
			01T00:05:00 run 01T00:05:00 cut
			01T00:10:00 run 01T00:10:00 ok`)
		r.wantLog(t, 1, "registration lost; registered again")
		r.seen.want(t,
			`decided job run "" 1`, "begun job 1", "ended job 1 ok=false cut=true failures=1",
			`decided job run "" 1`, "begun job 2", "ended job 2 ok=true cut=false failures=0")
	})
}

// While it cannot register it fires nothing and says so, and what is due then is caught up.
func TestDaemonRegistersWhenItCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "*/5 * * * *")
		r.rejoins(time.Now().Add(7 * time.Minute))
		r.start(t)
		pass(2 * time.Minute)
		r.member.evict()
		pass(4 * time.Minute)
		r.wantRows(t, "job", "")
		r.wantLog(t, 5, "doing=register") // once a minute
		r.seen.mu.Lock()
		turns, beats := r.seen.failed["register"], r.seen.beats
		r.seen.mu.Unlock()
		if turns < 200 || turns > 300 || beats < turns {
			t.Errorf("got %d turns that failed and %d beats, want one each second", turns, beats)
		}
		pass(3 * time.Minute)
		r.finish(t)
		r.wantRows(t, "job", "01T00:05:00 run 01T00:07:00 ok")
	})
}

// A firing that the daemon had claimed and not started is started once, under its new
// registration.
func TestDaemonRegistersWhilePreparing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "*/5 * * * *")
		r.rejoins(time.Time{})
		var executed atomic.Int64
		execute := r.daemon.Execute
		r.daemon.Execute = func(ctx context.Context, by Membership, assignment Assignment, halt <-chan struct{}, begun func(int64)) error {
			executed.Add(1)
			time.Sleep(20 * time.Second)
			err := execute(ctx, by, assignment, halt, begun)
			if lost := executed.Load() == 2 && by.Fence() == 1; lost != errors.Is(err, ErrTaken) {
				t.Errorf("registration %d: got %v", by.Fence(), err)
			}
			return err
		}
		r.start(t)
		pass(5*time.Minute + 10*time.Second)
		r.member.evict()
		pass(4 * time.Minute)
		r.finish(t)
		r.wantRows(t, "job", "01T00:05:00 run 01T00:05:30 ok")
		if n := executed.Load(); n != 2 {
			t.Errorf("got %d attempts, want one of each registration", n)
		}
	})
}

// A daemon that cannot register again says so for as long as it runs; its runs finish.
func TestDaemonWithoutRejoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "*/5 * * * *")
		r.start(t)
		pass(2 * time.Minute)
		r.member.evict()
		pass(9 * time.Minute)
		r.wantRows(t, "job", "")
		r.stop(nil)
		if <-r.over; !errors.Is(r.err, ErrFenced) {
			t.Errorf("got %v, want %v", r.err, ErrFenced)
		}
	})
}
