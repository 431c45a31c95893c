package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A usage is what a process and its descendants took.
type usage struct {
	wall, cpu time.Duration
	rss       int64 // peak of the largest of them, in bytes
}

// A command is a program to measure. It inherits no environment but PATH.
type command struct {
	name   string // in ratios and errors
	argv   []string
	env    []string
	stdout string // file; empty: thrown away
	code   int    // exit code it must have
}

// patience bounds a command; the slowest peer takes a tenth of it.
const patience = 5 * time.Minute

// start starts c; the caller waits for it.
func (g *rig) start(ctx context.Context, c command) (*exec.Cmd, *bytes.Buffer, error) {
	if c.stdout == "" {
		return g.startWith(ctx, c, nil)
	}
	f, err := os.Create(c.stdout)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }() // the process has its own
	return g.startWith(ctx, c, f)
}

// startWith starts c with another stdout; nil throws it away.
func (g *rig) startWith(ctx context.Context, c command, stdout *os.File) (*exec.Cmd, *bytes.Buffer, error) {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Env = append(g.env(), c.env...)
	cmd.Dir = g.dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if stdout != nil {
		cmd.Stdout = stdout
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return cmd, &stderr, nil
}

// measure runs c to its end.
func (g *rig) measure(ctx context.Context, c command) (usage, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	cmd, stderr, err := g.start(ctx, c)
	if err != nil {
		return usage{}, err
	}
	err = cmd.Wait()
	u := used(cmd.ProcessState)
	u.wall = time.Since(began)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == c.code {
		err = nil
	} else if err == nil && c.code != 0 {
		err = fmt.Errorf("exit status 0, want %d", c.code)
	}
	if err != nil {
		return u, fmt.Errorf("%s: %w: %s", strings.Join(c.argv, " "), err, tail(stderr.String()))
	}
	return u, nil
}

// used is what a process that has ended took. The kernel counts those of its
// descendants that were waited for.
func used(p *os.ProcessState) usage {
	u := usage{cpu: p.UserTime() + p.SystemTime()}
	if r, ok := p.SysUsage().(*syscall.Rusage); ok {
		u.rss = r.Maxrss << 10 // KiB on Linux
	}
	return u
}

// tail is the end of what a program complained about.
func tail(text string) string {
	const most = 500
	text = strings.TrimSpace(text)
	return text[max(0, len(text)-most):]
}

// race runs the commands in turn, one after the other and then all again, so that
// what changes on the machine happens to all of them. It returns their medians.
func (g *rig) race(ctx context.Context, repeat int, commands ...command) ([]usage, error) {
	runs := make([][]usage, len(commands))
	for range repeat {
		for i, c := range commands {
			u, err := g.measure(ctx, c)
			if err != nil {
				return nil, err
			}
			runs[i] = append(runs[i], u)
		}
	}
	medians := make([]usage, len(commands))
	for i, r := range runs {
		medians[i] = medianUsage(r)
	}
	return medians, nil
}

func medianUsage(runs []usage) usage {
	return usage{
		wall: median(runs, func(u usage) time.Duration { return u.wall }),
		cpu:  median(runs, func(u usage) time.Duration { return u.cpu }),
		rss:  median(runs, func(u usage) int64 { return u.rss }),
	}
}

// median of a value of each of runs, which are not empty; of two in the middle
// the lower one.
func median[R any, T int64 | time.Duration | float64](runs []R, value func(R) T) T {
	values := make([]T, len(runs))
	for i, r := range runs {
		values[i] = value(r)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// env is the environment of every program that is measured.
func (g *rig) env() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, "TMPDIR=" + g.dir, "LC_ALL=C.UTF-8"}
}

// tuttiRun is tutti with a command for the hosts of f, with history, unless args
// say otherwise, and strict host keys. The selector is all.
func (g *rig) tuttiRun(f files, args []string, words ...string) command {
	argv := []string{
		g.tutti, "run", "-F", "none", "-i", f.inventory(), "--known-hosts", f.knownHosts(),
		"--history", filepath.Join(g.dir, "history.db"),
	}
	argv = append(append(argv, args...), "all")
	return command{name: "tutti", argv: append(argv, words...), stdout: g.path("tutti.out")}
}

// bareRun is the bare client with a command for the hosts of f.
func (g *rig) bareRun(f files, words ...string) command {
	argv := append([]string{g.self, "bare", "-targets", f.targets(), "-key", f.key()}, words...)
	return command{name: "bare client", argv: argv, stdout: g.path("bare.out")}
}

func (g *rig) path(name string) string { return filepath.Join(g.dir, name) }

// ratio is a/b.
func ratio[T int64 | time.Duration](a, b T) float64 { return float64(a) / float64(b) }

// ms and mib are for notes.
func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
func mib(n int64) float64        { return float64(n) / (1 << 20) }
