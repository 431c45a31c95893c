// Package output renders a run for people, pipes and programs.
//
// Everything that is shown is a [fanout.Sink]: [Stream] prints lines as they
// come, [Blocks] a host at a time, [Fold] groups hosts that said the same,
// [JSON] writes one object per event, [Summary] says how it all ended, and
// [Progress] how far it is. None is made from another's output.
//
// A sink is called serially and never waits for its reader: what it prints is
// queued on a [Writer], and the bytes of a host stay counted against the budget
// of the run until they are written, so that a slow reader slows the hosts
// instead of filling memory. What has to be kept, because a line or a whole
// output is not complete yet, is kept in memory up to a bound and beyond it in
// a temporary file that has no name.
//
// Control sequences of a host reach a terminal only in visible form; see
// [sanitize.Visible]. Files and pipes get the bytes as they were sent.
package output
