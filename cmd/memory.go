package cmd

import "runtime/debug"

const (
	// manyTargets is from how many targets on memory is spared.
	manyTargets = 2000
	// sparingPercent is how much garbage there may be then beside what is alive,
	// in percent of that. The usual share is 100.
	sparingPercent = 50
)

// spareMemory makes the garbage collector run earlier for plans of many targets.
// What is known of them is alive from the first login to the end, and would count
// twice; with few targets the connections are the larger part, and the time is not
// worth it. It stays so, because there may be other runs beside this one. Whoever
// has set GOGC has decided.
func spareMemory(targets int, getenv func(string) string) {
	if targets >= manyTargets && getenv("GOGC") == "" {
		debug.SetGCPercent(sparingPercent)
	}
}
