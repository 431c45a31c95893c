// Package output renders a run for people, pipes and programs.
//
// Every view is a [fanout.Sink]: [Stream] prints lines as they come, [Blocks] a host at
// a time, [Fold] groups hosts with equal output, [JSON] writes one object per event,
// [Summary] reports how it all ended, and [Progress] how far it is. None is made from
// another's output.
//
// A sink is called serially and never waits for its reader: what it prints is queued on
// a [Writer], and the bytes of a host count against the budget of the run until they
// are written, so that a slow reader slows the hosts down instead of filling memory.
// Incomplete lines and outputs are kept in memory up to a bound, and beyond it in a
// temporary file without a name.
//
// Control sequences of a host reach a terminal only in visible form; see
// [sanitize.Visible]. Files and pipes get the bytes as they were sent.
package output
