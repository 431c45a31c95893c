package main

import (
	"context"
	"fmt"
	"time"
)

// shortCommand is what the hosts are asked where only the way there counts.
const shortCommand = "say up 12 days"

var cpuLines = []spec{
	{"1.1", "CPU of a cold run with history and strict known_hosts, of the bare client's", times(1.25), func(ctx context.Context, l *lab) (reading, error) {
		r, err := l.cold.run(ctx)
		return reading{ratio(r.tutti.cpu, r.bare.cpu), perHost(r.tutti.cpu, r.bare.cpu, l.hosts)}, err
	}},
	{"1.2", "CPU of the best peer, of tutti's", atLeastTimes(10), func(ctx context.Context, l *lab) (reading, error) {
		r, err := l.cold.run(ctx)
		best, bestErr := r.best(err, func(u usage) time.Duration { return u.cpu })
		return reading{ratio(best.cpu, r.tutti.cpu), r.peersNote(func(u usage) time.Duration { return u.cpu })}, bestErr
	}},
	{"1.3", "CPU of Ansible's raw module per host, of tutti's", bar{unit: "×"}, ansibleCPU},
}

var wallLines = []spec{
	{"2.1", "wall of a cold run, of the bare client's", times(1.25), func(ctx context.Context, l *lab) (reading, error) {
		r, err := l.cold.run(ctx)
		return reading{ratio(r.tutti.wall, r.bare.wall), fmt.Sprintf("%.2f s against %.2f s for %d hosts", r.tutti.wall.Seconds(), r.bare.wall.Seconds(), l.hosts)}, err
	}},
	{"2.2", "wall of the best peer at its best fan-out, of tutti's", atLeastTimes(6), func(ctx context.Context, l *lab) (reading, error) {
		r, err := l.cold.run(ctx)
		best, bestErr := r.best(err, func(u usage) time.Duration { return u.wall })
		return reading{ratio(best.wall, r.tutti.wall), r.peersNote(func(u usage) time.Duration { return u.wall })}, bestErr
	}},
	{"2.3", "wall over a long way, of the bare client's", times(1.25), func(ctx context.Context, l *lab) (reading, error) {
		f := l.far.of(l.hosts)
		u, err := l.race(ctx, l.repeat, l.bareRun(f, shortCommand), l.tuttiRun(f, nil, shortCommand))
		if err != nil {
			return reading{}, err
		}
		return reading{ratio(u[1].wall, u[0].wall), fmt.Sprintf("%.2f s against %.2f s with a round trip of %v", u[1].wall.Seconds(), u[0].wall.Seconds(), l.latency)}, nil
	}},
}

// A coldRace is the usual run: many hosts, one short command, nothing warm.
type coldRace struct {
	bare, tutti usage
	peers       []peerUsage
}

type peerUsage struct {
	usage
	name   string
	fanout int
}

func (p peerUsage) String() string { return fmt.Sprintf("%s -f %d", p.name, p.fanout) }

// coldRuns are measured once for all lines.
type coldRuns struct {
	*testbed
	done memo[coldRace]
}

// run lets all contenders run, each peer at the fan-out that is best for it.
func (c *coldRuns) run(ctx context.Context) (coldRace, error) {
	return c.done.get(func() (r coldRace, err error) {
		f := c.near.of(c.hosts)
		commands := []command{c.bareRun(f, shortCommand), c.tuttiRun(f, nil, shortCommand)}
		for _, p := range c.peers {
			if p.slow {
				continue
			}
			c.say("looking for the best fan-out of %s", p.name)
			best, err := c.bestFanout(ctx, p, f)
			if err != nil {
				return r, err
			}
			r.peers = append(r.peers, peerUsage{name: p.name, fanout: best})
			commands = append(commands, c.peerRun(p, f, best))
		}
		c.say("cold runs over %d hosts", c.hosts)
		u, err := c.race(ctx, c.repeat, commands...)
		if err != nil {
			return r, err
		}
		r.bare, r.tutti = u[0], u[1]
		for i := range r.peers {
			r.peers[i].usage = u[2+i]
		}
		return r, nil
	})
}

// bestFanout is the one at which p is done first.
func (c *coldRuns) bestFanout(ctx context.Context, p peer, f files) (best int, err error) {
	fastest := time.Duration(0)
	for _, n := range c.peerFanouts {
		u, err := c.measure(ctx, c.peerRun(p, f, n))
		if err != nil {
			return 0, err
		}
		if best == 0 || u.wall < fastest {
			best, fastest = n, u.wall
		}
	}
	return best, nil
}

// best is the peer with the least of something.
func (r coldRace) best(err error, of func(usage) time.Duration) (usage, error) {
	if err != nil {
		return usage{}, err
	}
	if len(r.peers) == 0 {
		return usage{}, fmt.Errorf("%w: none of pdsh, clush, pssh is here", errAbsent)
	}
	best := r.peers[0].usage
	for _, p := range r.peers[1:] {
		if of(p.usage) < of(best) {
			best = p.usage
		}
	}
	return best, nil
}

func (r coldRace) peersNote(of func(usage) time.Duration) string {
	note := fmt.Sprintf("tutti %.2f s", of(r.tutti).Seconds())
	for _, p := range r.peers {
		note += fmt.Sprintf(", %v %.2f s", p, of(p.usage).Seconds())
	}
	return note
}

// perHost is a note about two programs' CPU.
func perHost(tutti, other time.Duration, hosts int) string {
	n := time.Duration(hosts)
	return fmt.Sprintf("%.2f ms against %.2f ms for a host", ms(tutti/n), ms(other/n))
}

func ansibleCPU(ctx context.Context, l *lab) (reading, error) {
	for _, p := range l.peers {
		if !p.slow {
			continue
		}
		f := l.near.of(l.ansible)
		u, err := l.race(ctx, 1, l.peerRun(p, f, peerFanout), l.tuttiRun(f, nil, shortCommand))
		if err != nil {
			return reading{}, err
		}
		return reading{ratio(u[0].cpu, u[1].cpu), perHost(u[1].cpu, u[0].cpu, l.ansible)}, nil
	}
	return reading{}, fmt.Errorf("%w: Ansible is not here", errAbsent)
}
