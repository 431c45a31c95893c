package store

import "fmt"

// Line returns the runs of a queue, whose entries are in its order, claimed ones first;
// serving: a daemon serves the store. For engines.
func Line(entries []QueueEntry, runs map[int64]*Run, serving bool) []WaitingRun {
	var claimed, waiting []WaitingRun
	for _, e := range entries {
		x := WaitingRun{QueueEntry: e, Run: *runs[e.Run], For: e.Waits(serving)}
		if e.Owner != 0 {
			claimed = append(claimed, x)
			continue
		}
		x.Place = len(waiting) + 1
		waiting = append(waiting, x)
	}
	return append(claimed, waiting...)
}

// Reason is why a run of that fate was never started, for people; empty: it may yet start.
func (q QueueEntry) Reason(fate Fate) string {
	switch fate {
	case FatePoisoned:
		return fmt.Sprintf("%d daemons ended while they were starting it", q.Deaths)
	case FateSecretsGone:
		return "the daemon that had its secrets has ended"
	}
	return ""
}

// Report tells the Logger and Warn, which are not nil, of the fate of a run.
func (q QueueEntry) Report(fate Fate, o Options) {
	reason := q.Reason(fate)
	switch fate {
	case FateAgain:
		o.Logger.Warn("a daemon ended while it was starting a run; the run is queued again", "run", q.Run, "daemons", q.Deaths)
	case FatePoisoned:
		o.Logger.Error("run was set aside", "run", q.Run, "reason", reason)
		o.Warn(fmt.Sprintf("run %d was set aside: %s", q.Run, reason))
	case FateSecretsGone:
		o.Logger.Error("run was not started", "run", q.Run, "reason", reason)
		o.Warn(fmt.Sprintf("run %d was not started: %s", q.Run, reason))
	}
}
