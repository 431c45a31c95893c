package runner

import (
	"context"
	"slices"

	"tutti/output"
	"tutti/store"
)

// A Comparison compares two runs, host by host. Set its fields, then call Pairs, and
// Feed with what it returns.
type Comparison struct {
	Store  Records
	Before store.Run
	After  store.Run

	// read are the outputs, by HostPair.Output, that were fed.
	read map[string]bool
}

// comparedHosts is how many hosts are read at once from each run.
const comparedHosts = 64

// Pairs returns the hosts of both runs: those of After in its order, then those of
// Before only. If names are given, it returns only these; the error is a
// [NoHostError] if neither run included one of them.
func (c *Comparison) Pairs(ctx context.Context, names []string) ([]output.HostPair, error) {
	before, err := c.Store.Results(ctx, c.Before.ID)
	if err != nil {
		return nil, err
	}
	after, err := c.Store.Results(ctx, c.After.ID)
	if err != nil {
		return nil, err
	}
	return c.only(pair(before, after), names)
}

// pair joins the results of each host.
func pair(before, after []store.HostResult) []output.HostPair {
	earlier := make(map[string]*store.HostResult, len(before))
	for i := range before {
		earlier[before[i].Target.Name] = &before[i]
	}
	var pairs []output.HostPair
	for i := range after {
		name := after[i].Target.Name
		pairs = append(pairs, pairOf(name, earlier[name], &after[i]))
		delete(earlier, name)
	}
	for i := range before {
		if name := before[i].Target.Name; earlier[name] != nil {
			pairs = append(pairs, pairOf(name, &before[i], nil))
		}
	}
	return pairs
}

// pairOf is a host with its results in both runs; nil: the run did not have it.
func pairOf(host string, then, now *store.HostResult) output.HostPair {
	p := output.HostPair{Host: host}
	if then != nil {
		p.Before = &then.Result
	}
	if now != nil {
		p.After = &now.Result
	}
	if then != nil && now != nil && then.OutputHash != "" && now.OutputHash != "" {
		p.SameOutput = then.OutputHash == now.OutputHash
		p.Output = then.OutputHash + now.OutputHash
	}
	return p
}

// only returns the named pairs.
func (c *Comparison) only(pairs []output.HostPair, names []string) ([]output.HostPair, error) {
	if len(names) == 0 {
		return pairs, nil
	}
	known := make([]string, len(pairs))
	for i, p := range pairs {
		known[i] = p.Host
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, noHost(name, known, c.Before.ID, c.After.ID)
		}
	}
	return slices.DeleteFunc(pairs, func(p output.HostPair) bool { return !slices.Contains(names, p.Host) }), nil
}

// Feed passes the outputs of pairs on to to. Outputs known to be the same are not read,
// and an output of several hosts is read once.
func (c *Comparison) Feed(ctx context.Context, pairs []output.HostPair, to *output.Comparison) error {
	c.read = make(map[string]bool)
	for chunk := range slices.Chunk(pairs, comparedHosts) {
		if err := c.replay(ctx, chunk, to); err != nil {
			return err
		}
		for _, p := range chunk {
			if err := to.Add(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// replay passes on the outputs of hosts that have to be compared.
func (c *Comparison) replay(ctx context.Context, pairs []output.HostPair, to *output.Comparison) error {
	var names []string
	for _, p := range pairs {
		if p.Before == nil || p.After == nil || p.SameOutput || !p.Before.Report.Started || !p.After.Report.Started || c.read[p.Output] {
			continue
		}
		names = append(names, p.Host)
		if p.Output != "" {
			c.read[p.Output] = true
		}
	}
	if len(names) == 0 {
		return nil
	}
	filter := store.Filter{Hosts: names}
	if err := c.Store.Replay(ctx, c.Before.ID, filter, to.Before()); err != nil {
		return err
	}
	return c.Store.Replay(ctx, c.After.ID, filter, to.After())
}
