package soak

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"tutti/internal/fleet"
)

// A lane is one process after the other, over hosts of its own.
type lane struct {
	*soak
	number int
	rng    *rand.Rand
	gate   string
	hosts  []string
	down   []bool
}

// A fate is what happens to a whole run.
type fate struct {
	name     string
	deadline time.Duration
	signal   os.Signal     // sent to the process; nil: none
	after    time.Duration // so long after it has got its run number
	restart  time.Duration // the bastion restarts at this moment; 0: never
	strikes  []strike
}

// A strike cuts the connections of a host in the midst of it all.
type strike struct {
	host  string
	after time.Duration
	how   fleet.CutMode
}

// clean reports whether nothing happens to the run that could make a host's
// end another than its fault does.
func (f fate) clean() bool { return f.deadline == 0 && f.signal == nil }

// fate draws one.
func (l *lane) fate(round int) fate {
	moment := func() time.Duration { return time.Duration(l.rng.IntN(1500)) * time.Millisecond }
	f := fate{name: "left alone"}
	switch l.rng.IntN(8) {
	case 0:
		f.name, f.signal, f.after = "killed", syscall.SIGKILL, moment()
	case 1:
		f.name, f.signal, f.after = "interrupted", syscall.SIGTERM, moment()
	case 2:
		f.name, f.deadline = "deadline", 1+moment()
	}
	if round == 0 || l.rng.IntN(2) == 0 {
		f.restart = 1 + moment()
	}
	if l.rng.IntN(3) == 0 {
		for range 5 {
			how := []fleet.CutMode{fleet.Reset, fleet.Finish, fleet.Garble}[l.rng.IntN(3)]
			f.strikes = append(f.strikes, strike{l.hosts[l.rng.IntN(len(l.hosts))], moment(), how})
		}
	}
	return f
}

// round sends a process out and judges what it says.
func (l *lane) round(number int) error {
	fate := l.fate(number)
	scripts := l.drawAll(fate)
	command := commandOf(l.number, number)
	said, err := l.process(l.job(command, fate, scripts), fate)
	if err != nil {
		return fmt.Errorf("%s: %w", fate.name, err)
	}
	v := &verdict{lane: l, command: command, fate: fate, scripts: scripts, account: said.account}
	if err := l.quiet(scripts); err != nil {
		return fmt.Errorf("%s: %w", fate.name, err)
	}
	return v.judge(said.run)
}

// drawAll makes up what is in store for the hosts, and lets the fleet know.
func (l *lane) drawAll(f fate) map[string]*script {
	conns := map[string]int{}
	for _, c := range l.fleet.Conns() {
		conns[c.Host]++
	}
	scripts := map[string]*script{}
	for i, host := range l.hosts {
		scripts[host] = draw(l.rng, l.down[i], conns[host])
		l.fleet.SetFaults(host, scripts[host].faults)
	}
	for _, s := range f.strikes {
		scripts[s.host].struck, scripts[s.host].keepalive = true, 3*shortKeepalive
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for host, s := range scripts {
		l.scripts[host] = s
	}
	return scripts
}

func (l *lane) job(command string, f fate, scripts map[string]*script) job {
	j := job{
		History: l.history, KnownHosts: l.knownHosts, Identity: l.identity,
		Command: command, Deadline: f.deadline, Gate: l.place(l.gate),
	}
	for _, host := range l.hosts {
		s := scripts[host]
		j.Targets = append(j.Targets, target{place: l.place(host), Via: s.via, Limits: s.limits, Keepalive: s.keepalive})
	}
	return j
}

func (l *lane) place(host string) place {
	address, port := l.fleet.Endpoint(host)
	return place{host, address, port}
}

// said is what a process has said.
type said struct {
	run     int64
	account *account // nil: it was killed
}

// process runs a job in a process of its own, and its fate.
func (l *lane) process(j job, f fate) (s said, err error) {
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	input, err := json.Marshal(j)
	if err != nil {
		return s, err
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(l.t.Context(), self)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return s, err
	}
	if err := cmd.Start(); err != nil {
		return s, err
	}
	out := bufio.NewReader(stdout)
	var events sync.WaitGroup
	over := make(chan struct{})
	if _, err = fmt.Fscan(out, &s.run); err == nil {
		l.happen(&events, cmd.Process, f, over)
		s.account, err = readAccount(out)
	}
	waited := cmd.Wait()
	close(over)
	events.Wait()
	if stderr.Len() > 0 {
		return s, fmt.Errorf("said on stderr: %s", &stderr)
	}
	if f.signal == syscall.SIGKILL && s.run != 0 {
		return s, nil
	}
	return s, errors.Join(err, waited)
}

// readAccount reads what a process says at its end; of one that was killed
// there is none.
func readAccount(out io.Reader) (*account, error) {
	a := &account{}
	if err := json.NewDecoder(out).Decode(a); err != nil {
		return nil, fmt.Errorf("its account: %w", err)
	}
	return a, nil
}

// happen lets a run's fate take its course, in goroutines that are counted in
// wg, until it is over.
func (l *lane) happen(wg *sync.WaitGroup, p *os.Process, f fate, over <-chan struct{}) {
	later := func(d time.Duration, act func()) {
		wg.Go(func() {
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-timer.C:
				act()
			case <-over:
			}
		})
	}
	if f.signal != nil {
		later(f.after, func() { _ = p.Signal(f.signal) }) // it may have ended
	}
	for _, s := range f.strikes {
		later(s.after, func() { l.fleet.Cut(s.host, s.how) })
	}
	if f.restart == 0 {
		return
	}
	later(f.restart, func() {
		l.fleet.SetFaults(l.gate, fleet.Faults{Refuse: true})
		l.fleet.Cut(l.gate, fleet.Reset)
		down := time.NewTimer(100 * time.Millisecond)
		defer down.Stop()
		<-down.C
		l.fleet.SetFaults(l.gate, fleet.Faults{})
		l.mu.Lock()
		defer l.mu.Unlock()
		l.counts.restarts++
	})
}

// quiet waits until no connection to the lane's hosts stands any more.
func (l *lane) quiet(scripts map[string]*script) error {
	ours := map[string]bool{l.gate: true}
	for _, host := range l.hosts {
		ours[host] = true
	}
	return eventually(func() error {
		for _, c := range l.fleet.Conns() {
			if ours[c.Host] && c.Closed.IsZero() {
				fault := "bastion"
				if at := scripts[c.Host]; at != nil {
					fault = at.fault
				}
				return fmt.Errorf("a connection to %s (%s) stands although its process has ended: %+v", c.Host, fault, c)
			}
		}
		return nil
	})
}

// eventually waits until check finds nothing any more.
func eventually(check func() error) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(patience); ; <-tick.C {
		err := check()
		if err == nil || time.Now().After(limit) {
			return err
		}
	}
}
