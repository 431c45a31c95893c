package main

import (
	"context"
	"fmt"
)

var bulkLines = []spec{
	{"5.1", "wall of much output in usual lines to a file, of the bare client's", times(1.5), func(ctx context.Context, l *lab) (reading, error) {
		return l.bulk.lines(ctx, 80)
	}},
	{"5.2", "the same in lines of one byte", times(1.5), func(ctx context.Context, l *lab) (reading, error) {
		return l.bulk.lines(ctx, 2)
	}},
	{"5.3", "the same in very long lines", times(1.5), func(ctx context.Context, l *lab) (reading, error) {
		return l.bulk.lines(ctx, l.longLine)
	}},
	{"5.4", "wall of fold with all answers different, of stream's", times(2), func(ctx context.Context, l *lab) (reading, error) {
		f := l.near.of(l.many)
		u, err := l.race(ctx, few(l.repeat), l.tuttiRun(f, nil, "own"), l.tuttiRun(f, []string{"-b"}, "own"))
		if err != nil {
			return reading{}, err
		}
		return reading{ratio(u[1].wall, u[0].wall), fmt.Sprintf("%.2f s against %.2f s for %d hosts; %.0f MiB against %.0f MiB",
			u[1].wall.Seconds(), u[0].wall.Seconds(), l.many, mib(u[1].rss), mib(u[0].rss))}, nil
	}},
}

// bulkRuns move much output.
type bulkRuns struct {
	*testbed
	files memo[string] // directory with much to read
}

// lines moves much from a few hosts to a file, in lines of so many bytes.
func (b *bulkRuns) lines(ctx context.Context, size int) (reading, error) {
	f := b.near.of(b.bulkHosts)
	words := fmt.Sprintf("lines %d %d", size, b.bulkBytes)
	u, err := b.race(ctx, b.repeat, b.bareRun(f, words), b.tuttiRun(f, []string{"--no-prefix"}, words))
	if err != nil {
		return reading{}, err
	}
	return reading{ratio(u[1].wall, u[0].wall), fmt.Sprintf("%.2f s against %.2f s for %d × %.3g MB; CPU %.2f s against %.2f s, %.0f MiB against %.0f MiB",
		u[1].wall.Seconds(), u[0].wall.Seconds(), b.bulkHosts, float64(b.bulkBytes)/1e6,
		u[1].cpu.Seconds(), u[0].cpu.Seconds(), mib(u[1].rss), mib(u[0].rss))}, nil
}

// few is how often something is repeated that takes long.
func few(repeat int) int { return min(repeat, 3) }
