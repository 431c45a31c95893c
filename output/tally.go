package output

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tutti/fanout"
)

// maxNamedHosts is how many hosts are named when the run waits for no more.
const maxNamedHosts = 3

// rateFrom is how many hosts have to be done for their rate to mean something.
const rateFrom = 10

// A phase is where a target stands by its events so far.
type phase byte

const (
	waiting    phase = iota // not started
	connecting              // on the way to a login
	running                 // the command was sent
	retrying                // another attempt will follow
	done
)

// phaseWords are the phases of targets that are not done, in the order of
// reports.
var phaseWords = []struct {
	phase phase
	word  string
}{
	{running, "running"},
	{connecting, "connecting"},
	{retrying, "waiting for retry"},
	{waiting, "waiting"},
}

// A tally counts a run's targets while it goes on.
type tally struct {
	targets []fanout.Target
	phases  []phase     // by Index
	since   []time.Time // by Index: when the phase began; zero for waiting
	count   [done + 1]int
	done    int
	skipped int // of those that are done
	ran     int // of those that are done: the command, or the login, took its time
	failed  int
	// moved is how many bytes of how many a run that moves files has dealt with; nil: it
	// moves none.
	moved func() (done, total int64)
}

func newTally(plan *fanout.Plan) tally {
	targets := plan.Targets
	t := tally{targets: targets, phases: make([]phase, len(targets)), since: make([]time.Time, len(targets))}
	t.count[waiting] = len(targets)
	if files, ok := plan.Task.Action.(*fanout.Transfer); ok && files.Mover != nil {
		t.moved = files.Mover.Moved
	}
	return t
}

// share is how much of the run is done, of how much: bytes if it moves so many, else
// targets.
func (t *tally) share() (done, total int) {
	if t.moved == nil {
		return t.worked(), t.total()
	}
	moved, all := t.moved()
	if all == 0 {
		return t.worked(), t.total()
	}
	const parts = 1000
	return int(float64(moved) / float64(all) * parts), parts
}

// movedText is how many bytes have been moved.
func (t *tally) movedText() string {
	if t.moved == nil {
		return ""
	}
	switch done, total := t.moved(); {
	case total > 0:
		return ", " + bytesText(done) + " of " + bytesText(total)
	case done > 0:
		return ", " + bytesText(done)
	}
	return ""
}

// clone returns a copy that t does not change.
func (t *tally) clone() tally {
	c := *t
	c.phases, c.since = slices.Clone(t.phases), slices.Clone(t.since)
	return c
}

func (t *tally) total() int { return len(t.targets) }

// note takes note of e.
func (t *tally) note(e fanout.Event) {
	switch e.Kind {
	case fanout.TargetConnecting:
		t.move(e.Target.Index, connecting)
	case fanout.TargetStarted:
		t.move(e.Target.Index, running)
	case fanout.TargetRetrying:
		t.move(e.Target.Index, retrying)
	case fanout.TargetFinished:
		t.move(e.Target.Index, done)
		t.done = t.count[done]
		if e.Result.Report.Started || e.Result.Outcome == fanout.OK {
			t.ran++
		}
		switch e.Result.Outcome {
		case fanout.Skipped:
			t.skipped++
		case fanout.Failed, fanout.Timeout, fanout.Lost, fanout.Unreachable:
			t.failed++
		}
	}
}

func (t *tally) move(index int, to phase) {
	t.count[t.phases[index]]--
	t.phases[index], t.since[index] = to, time.Now()
	t.count[to]++
}

// worked is how many targets are done; skipped ones do not count.
func (t *tally) worked() int { return t.done - t.skipped }

// counted lists the outcomes of the finished targets that are not ok, with counts.
func (t *tally) counted() string {
	text := t.movedText()
	if t.failed > 0 {
		text += fmt.Sprintf(", %d failed", t.failed)
	}
	if t.skipped > 0 {
		text += fmt.Sprintf(", %d skipped", t.skipped)
	}
	return text
}

// brief is the text next to a bar; plain ASCII.
func (t *tally) brief(elapsed time.Duration) string {
	text := fmt.Sprintf("%d/%d", t.worked(), t.total()) + t.counted()
	if names := t.slowest(); len(names) > 0 {
		return text + ", waiting for " + strings.Join(names, ", ")
	}
	for _, p := range []phase{running, connecting} {
		if n := t.count[p]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, wordOf(p))
		}
	}
	worked := t.worked()
	if worked == 0 || t.done == t.total() {
		return text
	}
	if worked >= rateFrom {
		text += ", " + rateText(worked, elapsed)
	}
	// An estimate is possible only while hosts are waiting: running ones may end
	// at any moment, and unreachable ones took no time.
	if t.ran == 0 || t.count[waiting] == 0 || t.skipped > 0 {
		return text
	}
	left := time.Duration(float64(elapsed) * float64(t.total()-t.done) / float64(t.ran))
	return text + ", " + secondsText(left) + " left"
}

// line is the status in one line.
func (t *tally) line(elapsed time.Duration) string {
	text := fmt.Sprintf("%d of %s done", t.worked(), hostsText(t.total())) + t.counted()
	for _, p := range phaseWords {
		if n := t.count[p.phase]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, p.word)
		}
	}
	text += ", after " + secondsText(elapsed)
	if names := t.slowest(); len(names) > 0 {
		text += ": " + strings.Join(names, ", ")
	}
	return text
}

// status is the line, and the hosts that are not done.
func (t *tally) status(elapsed time.Duration, fold func([]string) string) string {
	var b strings.Builder
	b.WriteString(t.line(elapsed) + "\n")
	for _, p := range phaseWords {
		if names := t.names(p.phase); len(names) > 0 {
			fmt.Fprintf(&b, "  %s: %s\n", p.word, briefNames(fold, names))
		}
	}
	return b.String()
}

// slowest is the targets that the run waits for, if they are few, with how long
// it has waited for each: the slowest first.
func (t *tally) slowest() []string {
	left := t.total() - t.done
	if t.count[waiting] > 0 || left == 0 || left > maxNamedHosts {
		return nil
	}
	var open []int
	for i, at := range t.phases {
		if at != done {
			open = append(open, i)
		}
	}
	slices.SortStableFunc(open, func(a, b int) int { return t.since[a].Compare(t.since[b]) })
	names := make([]string, len(open))
	for n, i := range open {
		names[n] = asciiOf(t.targets[i].Name)
		if p := t.phases[i]; p != running {
			names[n] += " (" + wordOf(p) + ")"
		}
		names[n] += " " + secondsText(time.Since(t.since[i]))
	}
	return names
}

func wordOf(p phase) string {
	for _, w := range phaseWords {
		if w.phase == p {
			return w.word
		}
	}
	return "done"
}

// rateText is n in d, per second, minute or hour, whichever gives a readable number.
func rateText(n int, d time.Duration) string {
	perSecond := float64(n) / max(d.Seconds(), 0.001)
	if perSecond < 1 {
		return fmt.Sprintf("%.0f/min", perSecond*60)
	}
	return fmt.Sprintf("%.0f/s", perSecond)
}

// asciiOf is name in as many columns as bytes.
func asciiOf(name string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, name)
}

// names is the targets in phase p, in the order of the plan.
func (t *tally) names(p phase) []string {
	var names []string
	for i, at := range t.phases {
		if at == p {
			names = append(names, t.targets[i].Name)
		}
	}
	return names
}
