package fanout

// A Numbering numbers the events of one target, as Event.Number says: as they
// happen, and again as they are read from a record. The zero value is ready.
//
// Each stream is counted by itself, since a record keeps the order only within a stream:
// what is missing of one is counted at one place, and its tail stands behind whatever the
// other one had in the meantime.
type Numbering struct {
	past  int64    // the numbers of the attempts that are over
	over  int      // how many these are
	bytes [2]int64 // of each stream in the attempt at hand
}

// The numbers that an attempt takes in addition to those of its output: when it connects,
// when its command starts, and when it is over. All of them are taken whether the
// event comes or not, so that a record that lacks one yields the same numbers.
const (
	numberConnecting = 1
	numberStarted    = 2
	numbersOfAttempt = 3
)

// Next is the number of e, the next event of the target.
func (n *Numbering) Next(e *Event) int64 {
	switch e.Kind {
	case TargetConnecting:
		return n.past + numberConnecting
	case TargetStarted:
		return n.past + numberStarted
	case Output:
		n.bytes[e.Stream] += int64(len(e.Data)) + e.Omitted
		return n.past + numberStarted + n.bytes[e.Stream]
	case TargetRetrying:
		n.pass(e)
		return n.past
	case TargetFinished:
		if e.Attempt > n.over { // else it was stopped while it waited for another
			n.pass(e)
		}
		return n.past + 1
	}
	return 0
}

// pass leaves the attempt behind that e is the end of.
func (n *Numbering) pass(e *Event) {
	n.past += numbersOfAttempt + e.Result.StdoutBytes + e.Result.StderrBytes
	n.over, n.bytes = e.Attempt, [2]int64{}
}

// LastNumber is the number of the RunFinished of a run on that many hosts: before it,
// each batch has a BatchStarted and, except the last, a BatchFinished.
func (p Policy) LastNumber(hosts int) int64 { return 2*int64(max(1, newBatches(p, hosts).of)) + 1 }
