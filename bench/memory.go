package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/sqlite"
)

var memoryLines = []spec{
	{"3.1", "live heap and stack for each host that is logged in and idle", atMost(60, "KiB"), idleSlope},
	{"3.2", "peak of a large run at the default fan-out", atMost(150, "MiB"), func(ctx context.Context, l *lab) (reading, error) {
		rows, err := l.scale.table(ctx)
		if err != nil {
			return reading{}, err
		}
		last := rows[len(rows)-1]
		return reading{mib(last.tutti.rss), fmt.Sprintf("%d hosts; the bare client %.0f MiB", last.hosts, mib(last.bare.rss))}, nil
	}},
	{"3.3", "peak while hosts flood a stdout that nobody reads", atMost(256, "MiB"), stalled},
}

// alive is what --pprof live writes for a moment, in bytes.
type alive struct {
	Heap       int64 `json:"heap"`
	Stack      int64 `json:"stack"`
	Goroutines int64 `json:"goroutines"`
}

// idleSlope compares two runs, so that what does not depend on hosts is gone.
func idleSlope(ctx context.Context, l *lab) (reading, error) {
	half, err := l.memory.idle(ctx, l.hosts/2)
	if err != nil {
		return reading{}, err
	}
	all, err := l.memory.idle(ctx, l.hosts)
	if err != nil {
		return reading{}, err
	}
	kib := func(n int64) float64 { return float64(n) / float64(l.hosts-l.hosts/2) / 1024 }
	heap, stack := kib(all.Heap-half.Heap), kib(all.Stack-half.Stack)
	return reading{heap + stack, fmt.Sprintf("heap %.1f KiB, stack %.1f KiB, between %d and %d hosts", heap, stack, l.hosts/2, l.hosts)}, nil
}

// memoryRuns are looked at while they run.
type memoryRuns struct{ *testbed }

// idle is what is alive while n hosts are idle: of the moments that were looked
// at, the last at which the goroutines were as many as at the one before. Logins
// and ends of commands have goroutines of their own.
func (m *memoryRuns) idle(ctx context.Context, n int) (settled alive, err error) {
	path := m.path("live")
	c := m.tuttiRun(m.near.of(n), []string{"--pprof", "live=" + path, "--no-history"}, "idle", m.sizes.idle)
	if _, err := m.measure(ctx, c); err != nil {
		return settled, err
	}
	f, err := os.Open(path)
	if err != nil {
		return settled, err
	}
	defer func() { _ = f.Close() }() // it was read
	var before alive
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var a alive
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return settled, fmt.Errorf("%s: %w", path, err)
		}
		if a.Goroutines == before.Goroutines && a.Goroutines >= settled.Goroutines {
			settled = a
		}
		before = a
	}
	if settled.Goroutines < int64(n) {
		return settled, fmt.Errorf("%d hosts were never seen idle at once: %d goroutines", n, settled.Goroutines)
	}
	return settled, nil
}

// quietShare: one host of so many says nothing while the others flood.
const quietShare = 10

// stalled lets hosts flood a pipe that no one reads until the quiet ones are on record,
// and then for a while longer. How much it takes to end so many commands at once, when
// what they have said is read to hear their ends, is noted.
func stalled(ctx context.Context, l *lab) (reading, error) {
	if err := l.removeHistory(); err != nil {
		return reading{}, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return reading{}, err
	}
	defer func() { _ = r.Close() }() // it was never read
	c := l.tuttiRun(l.near.of(l.hosts), nil, fmt.Sprintf("flood %d", quietShare))
	c.stdout = ""
	cmd, stderr, err := l.startWith(ctx, c, w)
	if err := errors.Join(err, w.Close()); err != nil {
		return reading{}, err
	}
	want := l.hosts / quietShare
	recorded, err := l.memory.awaitRecorded(ctx, want)
	if err == nil {
		err = wait(ctx, l.stall)
	}
	stalledPeak, peakErr := peakOf(cmd.Process.Pid)
	_ = cmd.Process.Signal(syscall.SIGTERM)                             // if it has ended, Wait says how
	stop := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }) // the same
	defer stop.Stop()
	waitErr := cmd.Wait()
	if err := errors.Join(err, peakErr); err != nil {
		return reading{}, fmt.Errorf("%w; tutti: %w: %s", err, waitErr, tail(stderr.String()))
	}
	return reading{
		mib(stalledPeak),
		fmt.Sprintf("%d hosts, of which %d quiet ones were on record after %.1f s; %.0f MiB while they are all ended at once",
			l.hosts, want, recorded.Seconds(), mib(used(cmd.ProcessState).rss)),
	}, nil
}

// peakOf is the most memory that a process has had so far, in bytes.
func peakOf(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmHWM", pid)
}

// awaitRecorded waits until the run that is under way has so many hosts on record
// that are ok, and returns how long that took.
func (m *memoryRuns) awaitRecorded(ctx context.Context, want int) (time.Duration, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for got := -1; ; {
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return 0, fmt.Errorf("%d of %d quiet hosts are on record after a minute: %w", max(got, 0), want, err)
		}
		s, err := sqlite.OpenExisting(ctx, m.path("history.db"), store.Options{})
		if err != nil {
			continue // it is being made
		}
		run, err := s.Run(ctx, "1", "")
		if err = errors.Join(err, s.Close()); err == nil {
			got = run.Summary.Counts[fanout.OK]
		}
		if got >= want {
			return time.Since(began), nil
		}
	}
}

// wait waits for a while, or until ctx is done.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
