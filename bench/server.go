package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"time"
)

// serverLines ask a daemon over HTTP about runs of many hosts.
var serverLines = []spec{
	{"10.1", "the hosts of a large run that answered the same, over HTTP", atMost(10, "ms"), func(ctx context.Context, l *lab) (reading, error) {
		return l.server.ask(ctx, "/runs/2/groups")
	}},
	{"10.2", "a page of 100 hosts of a large run, over HTTP", atMost(2, "ms"), func(ctx context.Context, l *lab) (reading, error) {
		return l.server.ask(ctx, "/runs/2/hosts?limit=100")
	}},
	{"10.3", "the difference of two large runs, over HTTP", atMost(30, "ms"), func(ctx context.Context, l *lab) (reading, error) {
		return l.server.ask(ctx, "/runs/2/diff?with=1")
	}},
}

// serverRuns are a daemon and a history of two runs of many hosts.
type serverRuns struct {
	*testbed
	past memo[string] // the history
}

// ask is how long the daemon takes to answer a path, once it has done so before.
func (s *serverRuns) ask(ctx context.Context, path string) (_ reading, err error) {
	history, err := s.past.get(func() (string, error) { return s.record(ctx, "served.db", 2, s.many, 20) })
	if err != nil {
		return reading{}, err
	}
	d, err := s.serve(ctx, history, nil)
	if err != nil {
		return reading{}, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	var took []time.Duration
	var size int64
	for range 5 * max(s.repeat, 5) {
		began := time.Now()
		if size, err = d.get(ctx, path); err != nil {
			return reading{}, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return reading{ms(took[len(took)/2]), fmt.Sprintf("%d hosts; %.3g KB; at worst %.3g ms", s.many, float64(size)/1e3, ms(took[len(took)-1]))}, nil
}

// A daemon is a tutti that serves.
type daemon struct {
	cmd    *exec.Cmd
	client *http.Client
	log    *os.File
	socket string
	tokens string // a file of them, one a line; empty: none were made
}

// serve starts one, with more arguments, and returns once it answers.
func (g *rig) serve(ctx context.Context, history string, env []string, more ...string) (_ *daemon, err error) {
	socket := g.path("api.sock")
	d := &daemon{socket: socket, client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		MaxIdleConnsPerHost: 1,
	}}}
	if d.log, err = os.Create(g.path("serve.log")); err != nil {
		return nil, err
	}
	d.cmd = exec.CommandContext(ctx, g.tutti, append([]string{"serve", "--history", history, "--socket", socket}, more...)...)
	d.cmd.Env = append(append(os.Environ(), "HOME="+g.dir), env...)
	d.cmd.Stderr = d.log
	d.cmd.WaitDelay = 10 * time.Second
	if err := d.cmd.Start(); err != nil {
		return nil, errors.Join(err, d.log.Close())
	}
	if err := d.await(ctx); err != nil {
		said, _ := os.ReadFile(d.log.Name()) // it is only to explain
		return nil, errors.Join(fmt.Errorf("tutti serve does not answer: %w\n%s", err, said), d.close())
	}
	return d, nil
}

// await returns once it answers, or has not for too long.
func (d *daemon) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := d.get(ctx, "/daemons")
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}

// get reads an answer and returns its size.
func (d *daemon) get(ctx context.Context, path string) (int64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://tutti/api/v1"+path, nil)
	if err != nil {
		return 0, err
	}
	answer, err := d.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	if answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 1000)) // it is only to explain
		return 0, fmt.Errorf("GET %s: %s: %s", path, answer.Status, said)
	}
	return io.Copy(io.Discard, answer.Body)
}

// close stops it.
func (d *daemon) close() error {
	d.client.CloseIdleConnections()
	err := d.cmd.Process.Signal(os.Interrupt)
	return errors.Join(err, d.cmd.Wait(), d.log.Close())
}
