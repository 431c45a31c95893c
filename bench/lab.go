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
	clients     int           // that follow a run
}

var fullSizes = sizes{
	hosts: 1000, many: 10_000, scale: []int{10, 100, 1000, 10_000},
	peerFanouts: []int{16, 64, 256}, ansible: 100,
	latency: 50 * time.Millisecond, idle: "6s",
	bulkHosts: 10, bulkBytes: 50_000_000, longLine: 10_000_000,
	runs: 1000, stall: 5 * time.Second, logins: 15, sshdBytes: 1_000_000_000, clients: 1000,
}

var quickSizes = sizes{
	hosts: 12, many: 24, scale: []int{6, 12, 24},
	peerFanouts: []int{16}, ansible: 2,
	latency: 20 * time.Millisecond, idle: "1500ms",
	bulkHosts: 2, bulkBytes: 200_000, longLine: 100_000,
	runs: 5, stall: 100 * time.Millisecond, logins: 2, sshdBytes: 1_000_000, clients: 10,
}

// A rig starts and measures programs, in a directory of its own.
type rig struct {
	log   io.Writer
	root  string // of the module
	dir   string // for everything that is made
	self  string // this program
	tutti string
	slow  string // tutti whose commits take longer; see store
}

// A testbed is what is measured with: a rig, hosts and peers, in the sizes of
// the options.
type testbed struct {
	*rig
	options
	sizes
	near  *fleetProcess
	far   *fleetProcess // with latency
	peers []peer
}

// A lab measures the lines, of which each family has what several of its lines need.
type lab struct {
	*testbed
	cold   *coldRuns
	memory *memoryRuns
	bulk   *bulkRuns
	past   *pastRuns
	scale  *scaleRuns
	server *serverRuns
	live   *liveRuns
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

func newLab(ctx context.Context, o options, log io.Writer) (*lab, error) {
	g, err := newRig(log)
	if err != nil {
		return nil, err
	}
	b := &testbed{rig: g, options: o, sizes: o.sizes()}
	cold := &coldRuns{testbed: b}
	l := &lab{
		testbed: b, cold: cold, memory: &memoryRuns{b}, bulk: &bulkRuns{testbed: b}, past: &pastRuns{testbed: b},
		scale: &scaleRuns{testbed: b, cold: cold}, server: &serverRuns{testbed: b}, live: &liveRuns{b},
	}
	if err := b.prepare(ctx); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// newRig is one with an empty directory.
func newRig(log io.Writer) (_ *rig, err error) {
	g := &rig{log: &serialWriter{w: log}}
	if g.root, err = moduleRoot(); err != nil {
		return nil, err
	}
	if g.self, err = os.Executable(); err != nil {
		return nil, err
	}
	g.dir, err = os.MkdirTemp("", "tutti-bench-")
	return g, err
}

// sizes are those that the options ask for.
func (o *options) sizes() sizes {
	s := fullSizes
	if o.quick {
		s = quickSizes
	}
	if n := o.size; n > 0 {
		s.hosts, s.many, s.scale = n, 10*n, []int{n, 10 * n}
		s.ansible = min(s.ansible, n)
	}
	return s
}

// prepare builds tutti, finds the peers and starts the fleets.
func (b *testbed) prepare(ctx context.Context) (err error) {
	if err := b.build(ctx); err != nil {
		return err
	}
	if b.peers, err = findPeers(ctx, b.options, b.log); err != nil {
		return err
	}
	counts := append([]int{b.hosts / 2, b.bulkHosts, b.ansible}, b.sizes.scale...)
	if b.near, err = b.startFleet(ctx, "near", 0, append(counts, b.hosts)); err != nil {
		return err
	}
	b.far, err = b.startFleet(ctx, "far", b.latency, []int{b.bulkHosts, b.hosts})
	return err
}

// build builds tutti twice: as it is, and with slow commits.
func (g *rig) build(ctx context.Context) error {
	g.say("building tutti")
	const tag = "sqlite_omit_load_extension"
	g.tutti, g.slow = g.path("tutti"), g.path("tutti-slow")
	for binary, tags := range map[string]string{g.tutti: tag, g.slow: tag + ",bench"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-tags", tags, "-o", binary, ".")
		cmd.Dir = g.root
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
	if l.bulk.files.value != "" {
		errs = append(errs, os.RemoveAll(l.bulk.files.value))
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

// say reports progress.
func (g *rig) say(format string, args ...any) {
	_, _ = fmt.Fprintf(g.log, "bench: "+format+"\n", args...) // nothing depends on it
}

// A fleetProcess is a fleet in a process of its own.
type fleetProcess struct {
	dir   string
	cmd   *exec.Cmd
	stdin io.Closer
}

func (g *rig) startFleet(ctx context.Context, name string, latency time.Duration, counts []int) (*fleetProcess, error) {
	f := &fleetProcess{dir: g.path(name)}
	if err := os.Mkdir(f.dir, 0o700); err != nil {
		return nil, err
	}
	list := make([]string, len(counts))
	for i, n := range counts {
		list[i] = strconv.Itoa(n)
	}
	f.cmd = exec.CommandContext(ctx, g.self, "fleet", "-dir", f.dir, "-sizes", strings.Join(list, ","), "-latency", latency.String())
	f.cmd.Stderr = g.log
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

// removeHistory makes the next run start a new history.
func (g *rig) removeHistory() error {
	found, err := filepath.Glob(g.path("history.db*"))
	for _, path := range found {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
