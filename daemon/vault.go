package daemon

import (
	"sync"

	"tutti/runner"
)

// A vault has, in memory only, the secrets and standard input of runs that wait for
// this daemon. It may be used by several goroutines at once. The zero value is empty.
type vault struct {
	mu   sync.Mutex // guards what follows, and is held while a run is submitted
	runs map[int64]runner.Unrecorded
}

// keep stores what belongs to a run that submit submits, before a lane can claim the
// run.
func (v *vault) keep(what runner.Unrecorded, submit func() (run int64, err error)) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	run, err := submit()
	if err != nil {
		return err
	}
	if v.runs == nil {
		v.runs = make(map[int64]runner.Unrecorded)
	}
	v.runs[run] = what
	return nil
}

// of is what belongs to a run; ok is false if there is nothing.
func (v *vault) of(run int64) (what runner.Unrecorded, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	what, ok = v.runs[run]
	return what, ok
}

// forget wipes what belongs to a run.
func (v *vault) forget(run int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if what, ok := v.runs[run]; ok {
		what.Wipe()
		delete(v.runs, run)
	}
}

// forgetOthers wipes what belongs to runs other than these, which waiting tells: they
// have ended, or were stopped while they waited.
func (v *vault) forgetOthers(waiting func() (map[int64]bool, error)) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.runs) == 0 {
		return nil
	}
	keep, err := waiting()
	if err != nil {
		return err
	}
	for run, what := range v.runs {
		if !keep[run] {
			what.Wipe()
			delete(v.runs, run)
		}
	}
	return nil
}
