package live

import (
	"math"
	"strconv"
	"time"

	"tutti/fanout"
)

// A phase is how far a host is: a step on its way, or its outcome.
type phase uint8

// The steps; ended plus an outcome is a host that has that.
const (
	waiting    phase = iota // not started
	connecting              // on the way to a login
	running                 // its command was sent
	retrying                // another attempt will follow
	ended
)

// numPhases is how many there are.
var numPhases = int(ended) + len(fanout.Outcomes())

// String is the word that is sent.
func (p phase) String() string {
	if p >= ended {
		return fanout.Outcome(p - ended).String()
	}
	return [...]string{"waiting", "connecting", "running", "retrying"}[p]
}

// maxPhases bounds numPhases.
const maxPhases = 16

// counts are how many hosts are in each phase.
type counts [maxPhases]int32

// A slot is the state of a host.
type slot struct {
	// bytes that the current attempt has written so far, by stream.
	bytes   [2]int64
	exit    uint32 // if hasExit
	ms      uint32 // that the command took
	attempt uint16
	phase   phase
	hasExit bool
	dirty   bool // it is not in a frame yet
}

// begin starts an attempt.
func (s *slot) begin(attempt int) {
	*s = slot{attempt: uint16(min(attempt, math.MaxUint16)), phase: s.phase, dirty: s.dirty}
}

// end notes how the last attempt ended.
func (s *slot) end(r *fanout.Result) {
	s.attempt = uint16(min(r.Attempts, math.MaxUint16))
	s.bytes = [2]int64{r.StdoutBytes, r.StderrBytes}
	s.ms = uint32(min(r.Report.Command/time.Millisecond, math.MaxUint32))
	if exit := r.Report.Exit; exit != nil && exit.Signal == "" {
		s.exit, s.hasExit = exit.Code, true
	}
}

// append appends the row of the host with that index: [index, state, exit, attempt, ms,
// bytes].
func (s *slot) append(b []byte, index int32) []byte {
	b = strconv.AppendInt(append(b, '['), int64(index), 10)
	b = append(append(append(b, `,"`...), s.phase.String()...), `",`...)
	if s.hasExit {
		b = strconv.AppendUint(b, uint64(s.exit), 10)
	} else {
		b = append(b, "null"...)
	}
	for _, n := range [...]int64{int64(s.attempt), int64(s.ms), s.bytes[fanout.Stdout] + s.bytes[fanout.Stderr]} {
		b = strconv.AppendInt(append(b, ','), n, 10)
	}
	return append(b, ']')
}

// append appends the counts as an object that has every word.
func (c *counts) append(b []byte) []byte {
	for p := range numPhases {
		b = append(append(append(b, "{,"[min(p, 1)], '"'), phase(p).String()...), `":`...)
		b = strconv.AppendInt(b, int64(c[p]), 10)
	}
	return append(b, '}')
}
