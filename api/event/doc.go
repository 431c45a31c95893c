// Package event is the JSON forms of what happens in a run, and of how two runs
// differ: what `run --json`, `show --json` and `diff --json` print, line by line,
// and what HTTP sends of a run that goes on. Field names are a promise, held
// against docs/json.md; the order of the fields is that in which they are written.
//
// A [Decoder] reads the lines of a run back into its events.
//
// Package output makes and writes them: which bytes share an event, and what a
// terminal must not obey, is known there. What a run is on record is package api's.
package event
