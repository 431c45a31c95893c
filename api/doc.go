// Package api is what programs read: the JSON forms of runs, firings, jobs,
// hosts, plans and checks, one set of types for --json and for HTTP. A form is
// plain data made from the words of the packages below. Its field names are a
// promise, held against docs/json.md: fields are added, never renamed or given
// another meaning.
//
// All durations end in _ms and are whole milliseconds; all sizes are bytes; all
// times are RFC 3339 in UTC with milliseconds (event.Time). A field that may be
// absent says when. Every object that stands on a line of its own has Schema, 1,
// and Type.
//
// What happens in a run, and how two runs differ, is package event's below this.
//
// api decides nothing and prints nothing.
package api
