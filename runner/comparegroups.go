package runner

import (
	"context"
	"slices"

	"tutti/output"
	"tutti/store"
)

// FeedGroups is Pairs and Feed for the visible hosts, out of a history: hosts that
// answered the same in both runs are compared once.
func (c *Comparison) FeedGroups(ctx context.Context, views store.Views, visible store.Visible, to *output.Comparison) error {
	changes, err := views.Compare(ctx, c.Before.ID, c.After.ID, visible)
	if err != nil {
		return err
	}
	c.read = make(map[string]bool)
	for chunk := range slices.Chunk(alike(changes), comparedHosts) {
		pairs, err := c.samples(ctx, views, chunk)
		if err != nil {
			return err
		}
		if err := c.replay(ctx, pairs, to); err != nil {
			return err
		}
		for i := range chunk {
			if err := to.AddHosts(pairs[i], chunk[i].Hosts, chunk[i].Places); err != nil {
				return err
			}
		}
	}
	return nil
}

// alike are the changes of which one host stands for all. Those whose output is not
// known to be that of the others stand for themselves.
func alike(changes []store.Change) []store.Change {
	var all []store.Change
	for _, c := range changes {
		alone := c.From != nil && c.To != nil && c.From.Started && c.To.Started && (c.From.OutputHash == "" || c.To.OutputHash == "")
		if !alone {
			all = append(all, c)
			continue
		}
		for i := range c.Hosts {
			all = append(all, store.Change{From: c.From, To: c.To, Hosts: c.Hosts[i : i+1], Places: c.Places[i : i+1]})
		}
	}
	return all
}

// samples are the first hosts of changes in both runs.
func (c *Comparison) samples(ctx context.Context, views store.Views, changes []store.Change) ([]output.HostPair, error) {
	names := make([]string, len(changes))
	for i := range changes {
		names[i] = changes[i].Hosts[0]
	}
	var rows [2]map[string]*store.HostResult
	for i, run := range []int64{c.Before.ID, c.After.ID} {
		page, err := views.ResultsPage(ctx, store.ResultQuery{Run: run, Hosts: names, Limit: len(names)})
		if err != nil {
			return nil, err
		}
		rows[i] = make(map[string]*store.HostResult, len(page.Hosts))
		for k := range page.Hosts {
			rows[i][page.Hosts[k].Target.Name] = &page.Hosts[k].HostResult
		}
	}
	pairs := make([]output.HostPair, len(names))
	for i, name := range names {
		pairs[i] = pairOf(name, rows[0][name], rows[1][name])
	}
	return pairs, nil
}
