package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

var scaleLines = []spec{
	{"9.1", "CPU per host of the largest run, of that of the next smaller one", times(1.25), func(ctx context.Context, l *lab) (reading, error) {
		return l.scale.growth(ctx, func(u usage) float64 { return u.cpu.Seconds() })
	}},
	{"9.2", "wall per host of the largest run, of that of the next smaller one", times(1.25), func(ctx context.Context, l *lab) (reading, error) {
		return l.scale.growth(ctx, func(u usage) float64 { return u.wall.Seconds() })
	}},
	{"9.3", "RSS per host of the largest run, of that of the next smaller one", times(1), func(ctx context.Context, l *lab) (reading, error) {
		return l.scale.growth(ctx, func(u usage) float64 { return float64(u.rss) })
	}},
}

// A scaleRow is a row of the table.
type scaleRow struct {
	hosts       int
	bare, tutti usage
	peers       []peerUsage // of all peers; without a usage where that would take too long
}

const (
	// peerTime is how long a peer may be expected to take for a row.
	peerTime = 90 * time.Second
	// peerFanout is that of a peer whose best one was not looked for.
	peerFanout = 64
)

// scaleRuns are measured once for all lines.
type scaleRuns struct {
	*testbed
	cold *coldRuns
	done memo[[]scaleRow]
}

// table measures the usual run over more and more hosts.
func (s *scaleRuns) table(ctx context.Context) ([]scaleRow, error) {
	return s.done.get(func() ([]scaleRow, error) {
		var rows []scaleRow
		for _, n := range s.sizes.scale {
			s.say("%d hosts", n)
			f := s.near.of(n)
			u, err := s.race(ctx, few(s.repeat), s.bareRun(f, shortCommand), s.tuttiRun(f, nil, shortCommand))
			if err != nil {
				return nil, err
			}
			row := scaleRow{hosts: n, bare: u[0], tutti: u[1]}
			for i, p := range s.peers {
				row.peers = append(row.peers, s.peerOver(ctx, p, f, expected(rows, i, n)))
			}
			rows = append(rows, row)
		}
		return rows, context.Cause(ctx)
	})
}

// expected is how long peer i takes for n hosts if it takes as long for each as in
// the last of rows; 0 if there is none yet, more than peerTime if it is not there.
func expected(rows []scaleRow, i, n int) time.Duration {
	if len(rows) == 0 {
		return 0
	}
	last := rows[len(rows)-1]
	if last.peers[i].wall == 0 {
		return peerTime + 1
	}
	return last.peers[i].wall / time.Duration(last.hosts) * time.Duration(n)
}

// peerOver measures p once, unless it is expected to take too long.
func (s *scaleRuns) peerOver(ctx context.Context, p peer, f files, expected time.Duration) peerUsage {
	u := peerUsage{name: p.name, fanout: s.fanoutOf(p)}
	if expected > peerTime {
		return u
	}
	var err error
	if u.usage, err = s.measure(ctx, s.peerRun(p, f, u.fanout)); err != nil {
		s.say("%v", err) // a peer that fails does not stop the measurement of others
		u.usage = usage{}
	}
	return u
}

// fanoutOf is the fan-out that was found to be best for p.
func (s *scaleRuns) fanoutOf(p peer) int {
	found := s.cold.done.value.peers
	if i := slices.IndexFunc(found, func(u peerUsage) bool { return u.name == p.name }); i >= 0 {
		return found[i].fanout
	}
	return peerFanout
}

// growth is how something per host grows in the last step of the table.
func (s *scaleRuns) growth(ctx context.Context, of func(usage) float64) (reading, error) {
	rows, err := s.table(ctx)
	if err != nil {
		return reading{}, err
	}
	a, b := rows[len(rows)-2], rows[len(rows)-1]
	perHost := func(r scaleRow) float64 { return of(r.tutti) / float64(r.hosts) }
	return reading{perHost(b) / perHost(a), fmt.Sprintf("%d hosts after %d", b.hosts, a.hosts)}, nil
}
