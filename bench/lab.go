package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sizes are how large everything is.
type sizes struct {
	hosts, many int   // of a usual run, and of a large one
	scale       []int // of the table; the last is many
	peerFanouts []int // that a peer may be best at
	ansible     int   // hosts for Ansible, which takes long
	latency     time.Duration
	idle        string // how long idle hosts are idle
	bulkHosts   int
	bulkBytes   int
	longLine    int           // bytes
	runs        int           // in the large history, each of hosts
	stall       time.Duration // how long a reader does not read
	logins      int           // at the real sshd
	sshdBytes   int           // in all, from the real sshd
}

var fullSizes = sizes{
	hosts: 1000, many: 10_000, scale: []int{10, 100, 1000, 10_000},
	peerFanouts: []int{16, 64, 256}, ansible: 100,
	latency: 50 * time.Millisecond, idle: "6s",
	bulkHosts: 10, bulkBytes: 50_000_000, longLine: 10_000_000,
	runs: 1000, stall: 5 * time.Second, logins: 15, sshdBytes: 1_000_000_000,
}

var quickSizes = sizes{
	hosts: 12, many: 24, scale: []int{6, 12, 24},
	peerFanouts: []int{16}, ansible: 2,
	latency: 20 * time.Millisecond, idle: "1500ms",
	bulkHosts: 2, bulkBytes: 200_000, longLine: 100_000,
	runs: 5, stall: 100 * time.Millisecond, logins: 2, sshdBytes: 1_000_000,
}

// A lab is everything that the lines are measured with.
type lab struct {
	options
	sizes
	log   io.Writer
	root  string // of the module
	dir   string // for everything that is made
	self  string // this program
	tutti string
	slow  string // tutti whose commits take longer; see store
	near  *fleetProcess
	far   *fleetProcess // with latency
	peers []peer

	cold  memo[coldRace]
	scale memo[[]scaleRow]
	past  memo[string]
	bulky memo[string] // folder with much to read
}

// A memo keeps what was measured once for all lines that need it.
type memo[T any] struct {
	done  bool
	value T
	err   error
}

func (m *memo[T]) get(measure func() (T, error)) (T, error) {
	if !m.done {
		m.value, m.err = measure()
		m.done = true
	}
	return m.value, m.err
}

func newLab(ctx context.Context, o options, log io.Writer) (_ *lab, err error) {
	l := &lab{options: o, sizes: fullSizes, log: &serialWriter{w: log}}
	if o.quick {
		l.sizes = quickSizes
	}
	if n := o.size; n > 0 {
		l.sizes.hosts, l.sizes.many, l.sizes.scale = n, 10*n, []int{n, 10 * n}
		l.ansible = min(l.ansible, n)
	}
	if l.root, err = moduleRoot(); err != nil {
		return nil, err
	}
	if l.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if l.dir, err = os.MkdirTemp("", "tutti-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if err := l.build(ctx); err != nil {
		return nil, err
	}
	if l.peers, err = findPeers(ctx, o, l.log); err != nil {
		return nil, err
	}
	counts := append([]int{l.sizes.hosts / 2, l.bulkHosts, l.ansible}, l.sizes.scale...)
	if l.near, err = l.startFleet(ctx, "near", 0, append(counts, l.hosts)); err != nil {
		return nil, err
	}
	l.far, err = l.startFleet(ctx, "far", l.latency, []int{l.bulkHosts, l.hosts})
	return l, err
}

// build builds tutti twice: as it is, and with slow commits.
func (l *lab) build(ctx context.Context) error {
	l.say("building tutti")
	const tag = "sqlite_omit_load_extension"
	l.tutti, l.slow = l.path("tutti"), l.path("tutti-slow")
	for binary, tags := range map[string]string{l.tutti: tag, l.slow: tag + ",bench"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-tags", tags, "-o", binary, ".")
		cmd.Dir = l.root
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	return nil
}

// close ends the fleets and removes everything.
func (l *lab) close() error {
	var errs []error
	for _, f := range []*fleetProcess{l.near, l.far} {
		if f != nil {
			errs = append(errs, f.close())
		}
	}
	if l.bulky.value != "" {
		errs = append(errs, os.RemoveAll(l.bulky.value))
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}

// A serialWriter is a writer for many goroutines.
type serialWriter struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (s *serialWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// say tells whoever waits what is done.
func (l *lab) say(format string, args ...any) {
	_, _ = fmt.Fprintf(l.log, "bench: "+format+"\n", args...) // nothing depends on it
}

// A fleetProcess is a fleet in a process of its own.
type fleetProcess struct {
	dir   string
	cmd   *exec.Cmd
	stdin io.Closer
}

func (l *lab) startFleet(ctx context.Context, name string, latency time.Duration, counts []int) (*fleetProcess, error) {
	f := &fleetProcess{dir: l.path(name)}
	if err := os.Mkdir(f.dir, 0o700); err != nil {
		return nil, err
	}
	list := make([]string, len(counts))
	for i, n := range counts {
		list[i] = strconv.Itoa(n)
	}
	f.cmd = exec.CommandContext(ctx, l.self, "fleet", "-dir", f.dir, "-sizes", strings.Join(list, ","), "-latency", latency.String())
	f.cmd.Stderr = l.log
	f.cmd.WaitDelay = 10 * time.Second
	stdin, err1 := f.cmd.StdinPipe()
	stdout, err2 := f.cmd.StdoutPipe()
	if err := errors.Join(err1, err2, f.cmd.Start()); err != nil {
		return nil, fmt.Errorf("start fleet: %w", err)
	}
	f.stdin = stdin
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "ready\n" {
		return nil, errors.Join(fmt.Errorf("start fleet: it said %q", line), err, f.close())
	}
	return f, nil
}

// of are the files for its first n hosts.
func (f *fleetProcess) of(n int) files { return files{dir: f.dir, n: n} }

func (f *fleetProcess) close() error {
	return errors.Join(f.stdin.Close(), f.cmd.Wait())
}

// removeHistory makes the next run begin a new history.
func (l *lab) removeHistory() error {
	found, err := filepath.Glob(l.path("history.db*"))
	for _, path := range found {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
