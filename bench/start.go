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
	{"8.2", "round trips that a terminal adds, since the command waits until it is granted", atMost(1.3, "RTT"), func(ctx context.Context, l *lab) (reading, error) {
		f := l.far.of(l.bulkHosts)
		u, err := l.race(ctx, l.repeat, l.tuttiRun(f, nil, shortCommand), l.tuttiRun(f, []string{"--pty"}, shortCommand))
		if err != nil {
			return reading{}, err
		}
		return reading{l.roundTrips(u[1].wall - u[0].wall), fmt.Sprintf("%.0f ms with and %.0f ms without", ms(u[1].wall), ms(u[0].wall))}, nil
	}},
}

func (b *testbed) roundTrips(d time.Duration) float64 { return d.Seconds() / b.latency.Seconds() }
