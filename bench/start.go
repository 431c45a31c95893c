package main

import (
	"context"
	"fmt"
	"time"
)

var startLines = []spec{
	{"7.1", "tutti version", atMost(15, "ms"), func(ctx context.Context, l *lab) (reading, error) {
		u, err := l.race(ctx, 4*l.repeat, command{name: "tutti", argv: []string{l.tutti, "version"}})
		if err != nil {
			return reading{}, err
		}
		return reading{ms(u[0].wall), fmt.Sprintf("CPU %.1f ms", ms(u[0].cpu))}, nil
	}},
	{"7.2", "loading a large inventory and selecting from it", atMost(150, "ms"), func(ctx context.Context, l *lab) (reading, error) {
		u, err := l.race(ctx, max(l.repeat, 5), command{name: "tutti", argv: []string{
			l.tutti, "hosts", "-F", "none", "-i", l.near.of(l.many).inventory(), "h*5,!" + hostName(4),
		}})
		if err != nil {
			return reading{}, err
		}
		return reading{ms(u[0].wall), fmt.Sprintf("%d hosts; %.0f MiB", l.many, mib(u[0].rss))}, nil
	}},
	{"7.3", "CPU that a large, hashed known_hosts adds to a run", atMost(1, "s"), func(ctx context.Context, l *lab) (reading, error) {
		f := l.near.of(l.hosts)
		hashed := l.tuttiRun(f, []string{"--known-hosts", l.near.of(l.many).hashed()}, shortCommand)
		u, err := l.race(ctx, l.repeat, l.tuttiRun(f, nil, shortCommand), hashed)
		if err != nil {
			return reading{}, err
		}
		return reading{max(0, (u[1].cpu - u[0].cpu).Seconds()), fmt.Sprintf("%d hosts out of %d lines with distinct keys", l.hosts, l.many)}, nil
	}},
}

// warmTries is how often a command is repeated on a connection that stands.
const warmTries = 4

var warmLines = []spec{
	{"8.1", "round trips of a second command on a connection", atMost(2.3, "RTT"), func(ctx context.Context, l *lab) (reading, error) {
		f := l.far.of(l.bulkHosts)
		try := func(retries int) command {
			c := l.tuttiRun(f, []string{"--retries", fmt.Sprint(retries), "--retry-on", "failed", "--retry-delay", "1ms"}, "fail")
			c.code = 3 // the hosts' command fails
			return c
		}
		u, err := l.race(ctx, l.repeat, try(0), try(warmTries))
		if err != nil {
			return reading{}, err
		}
		return reading{l.roundTrips(u[1].wall-u[0].wall) / warmTries, fmt.Sprintf("a round trip is %v; delays between attempts included", l.latency)}, nil
	}},
}

func (l *lab) roundTrips(d time.Duration) float64 { return d.Seconds() / l.latency.Seconds() }

var scaleLines = []spec{
	{"9.1", "CPU per host of the largest run, of that of the next smaller one", times(1.25), func(ctx context.Context, l *lab) (reading, error) {
		return l.growth(ctx, func(u usage) float64 { return u.cpu.Seconds() })
	}},
	{"9.2", "wall per host of the largest run, of that of the next smaller one", times(1.25), func(ctx context.Context, l *lab) (reading, error) {
		return l.growth(ctx, func(u usage) float64 { return u.wall.Seconds() })
	}},
	{"9.3", "RSS per host of the largest run, of that of the next smaller one", times(1), func(ctx context.Context, l *lab) (reading, error) {
		return l.growth(ctx, func(u usage) float64 { return float64(u.rss) })
	}},
}

// A scaleRow is a row of the table.
type scaleRow struct {
	hosts       int
	bare, tutti usage
}

// scaleTable measures the usual run over more and more hosts.
func (l *lab) scaleTable(ctx context.Context) ([]scaleRow, error) {
	return l.scale.get(func() ([]scaleRow, error) {
		var rows []scaleRow
		for _, n := range l.sizes.scale {
			l.say("%d hosts", n)
			f := l.near.of(n)
			u, err := l.race(ctx, few(l.repeat), l.bareRun(f, shortCommand), l.tuttiRun(f, nil, shortCommand))
			if err != nil {
				return nil, err
			}
			rows = append(rows, scaleRow{n, u[0], u[1]})
		}
		return rows, nil
	})
}

// growth is how something per host grows in the last step of the table.
func (l *lab) growth(ctx context.Context, of func(usage) float64) (reading, error) {
	rows, err := l.scaleTable(ctx)
	if err != nil {
		return reading{}, err
	}
	a, b := rows[len(rows)-2], rows[len(rows)-1]
	perHost := func(r scaleRow) float64 { return of(r.tutti) / float64(r.hosts) }
	return reading{perHost(b) / perHost(a), fmt.Sprintf("%d hosts after %d", b.hosts, a.hosts)}, nil
}
