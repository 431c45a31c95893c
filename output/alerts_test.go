package output

import (
	"strings"
	"testing"

	"tutti/fanout"
)

func openAlerts(g Gathering) func(Options) closingSink {
	return func(o Options) closingSink { return alertsSink{NewAlerts(o, g)} }
}

type alertsSink struct{ *Alerts }

func (alertsSink) Close() error { return nil }

func TestAlerts(t *testing.T) {
	const full = "batch 1 of 2: 1 host\nweb02: failed, exit 3\nbatch 2 of 2: 6 hosts\n" +
		"db1: unreachable: dial: no^[[2J route\ncache1: timeout: timed out after 10s\nold1: lost: connection: the host fell silent\n"
	brief := "batch 1 of 2: 1 host\nweb02: failed\nbatch 2 of 2: 6 hosts\ndb1: unreachable\ncache1: timeout\nold1: lost\n"
	tests := []struct {
		name      string
		opts      Options
		gathering Gathering
		want      string
	}{
		{"lines", Options{}, GatheringNone, full},
		{"lines on one terminal", Options{OneTerminal: true}, GatheringNone, full},
		{"quiet", Options{Quiet: true}, GatheringNone, strings.NewReplacer("batch 1 of 2: 1 host\n", "", "batch 2 of 2: 6 hosts\n", "").Replace(full)},
		{"a fold elsewhere", Options{}, GatheringFold, full},
		{"a fold on one terminal", Options{OneTerminal: true}, GatheringFold, brief},
		{"blocks on one terminal", Options{OneTerminal: true}, GatheringHost, strings.Replace(brief, "web02: failed\n", "", 1)},
		{"no headers on one terminal", Options{OneTerminal: true, NoPrefix: true}, GatheringFold, full},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stdout, stderr := render(t, tt.opts, openAlerts(tt.gathering), func(sink fanout.Sink) {
				s := newStory(t, sink, "web01", "web02", "db1", "cache1", "old1", "old2", "old3")
				s.begin()
				s.tell(fanout.Event{Kind: fanout.BatchStarted, Batch: &fanout.Batch{Number: 1, Of: 2, Hosts: 1}})
				s.out("web01", "fine\n")
				s.finish("web01", exited(0))
				s.err("web02", "trouble\n")
				s.finish("web02", exited(3))
				s.tell(fanout.Event{Kind: fanout.BatchStarted, Batch: &fanout.Batch{Number: 2, Of: 2, Hosts: 6}})
				s.finish("db1", unreachable(fanout.OpDial, "no\x1b[2J route"))
				s.out("cache1", "only in the first attempt")
				s.retry("cache1", stopped(fanout.OpConnection, fanout.RemoteEnded))
				s.finish("cache1", fanout.Report{Failure: &fanout.Failure{Op: fanout.OpTimeout, Message: "timed out after 10s"}, Started: true})
				s.finish("old1", stopped(fanout.OpConnection, fanout.RemoteUnknown))
				s.finish("old2", stopped(fanout.OpCanceled, fanout.RemoteEnded))
				s.skip("old3")
				s.end()
			})
			if stdout != "" || stderr != tt.want {
				t.Errorf("got %q and %q, want %q on stderr", stdout, stderr, tt.want)
			}
		})
	}
}
