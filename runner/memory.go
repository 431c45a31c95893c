package runner

import (
	"context"
	"runtime/debug"

	"tutti/fanout"
)

const (
	// manyTargets is the number of targets from which memory is saved.
	manyTargets = 2000
	// sparingPercent is the GOGC of such a run: garbage in percent of live memory. The
	// default is 100.
	sparingPercent = 40
	// hugeTargets is the number from which memory is saved more, with hugePercent: what
	// is known of them is then the larger part of what is alive.
	hugeTargets = 5000
	hugePercent = 27
	// floodTargets that have said floodBytes make it worth the time as well: the
	// buffers of each are alive, and it takes little to collect them.
	floodTargets = 200
	floodBytes   = 64 << 20
	// fewPercent and somePercent are how much garbage there may be where fewer than
	// floodTargets and manyTargets take part: what is alive is so little that
	// collecting after each doubling of it would be most of what the collector does.
	fewPercent  = 400
	somePercent = 200
)

// spareTime makes the garbage collector run later for plans of not too many
// targets. It is for processes with a single run. It does nothing if GOGC is set.
func spareTime(targets int, getenv func(string) string) {
	switch {
	case getenv("GOGC") != "":
	case targets < floodTargets:
		debug.SetGCPercent(fewPercent)
	case targets < manyTargets:
		debug.SetGCPercent(somePercent)
	}
}

// spareMemory makes the garbage collector run earlier for plans of many targets.
// What is known of them is alive from the first login to the end, and would count
// twice; with few targets the connections are the larger part, and the time is not
// worth it. It is not undone, because other runs may be active. It does nothing if
// GOGC is set.
func spareMemory(targets int, getenv func(string) string) {
	if targets >= manyTargets && getenv("GOGC") == "" {
		debug.SetGCPercent(percentOf(targets))
	}
}

// percentOf is the GOGC that saves memory in a run of so many targets.
func percentOf(targets int) int {
	if targets >= hugeTargets {
		return hugePercent
	}
	return sparingPercent
}

// A floodGauge makes the garbage collector run earlier once many targets have sent much
// output. It is a sink of their run.
type floodGauge struct {
	getenv  func(string) string
	targets int
	bytes   int
}

var _ fanout.Sink = (*floodGauge)(nil)

// Handle counts output; it never fails.
func (g *floodGauge) Handle(_ context.Context, e fanout.Event) error {
	switch e.Kind {
	case fanout.RunStarted:
		g.targets = len(e.Plan.Targets)
	case fanout.Output:
		if g.bytes >= floodBytes {
			return nil
		}
		if g.bytes += len(e.Data); g.bytes >= floodBytes && g.targets >= floodTargets && g.getenv("GOGC") == "" {
			debug.SetGCPercent(percentOf(g.targets))
		}
	}
	return nil
}
