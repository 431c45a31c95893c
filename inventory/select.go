package inventory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"tutti/fanout"
)

// Runs knows the hosts of earlier runs.
type Runs interface {
	// Hosts returns the names of the hosts of a run, those with one of outcomes
	// if there are any. ref is a run's number, "last" or "last~N".
	Hosts(ctx context.Context, ref string, outcomes []fanout.Outcome) ([]string, error)
}

// SelectOptions are what a selection needs in addition to the selector.
type SelectOptions struct {
	// Runs answers run: items. Nil: they are refused.
	Runs Runs
	// Pick is how many hosts to choose at random. 0: all.
	Pick int
	// Limit is how many hosts to keep, the first ones, after Pick. 0: no limit.
	Limit int
	// Unusable includes hosts that cannot be used, for commands that only show them.
	Unusable bool
	// Rand is the source for Pick. Nil: one with a random seed.
	Rand *rand.Rand
}

// A Selection is the result of a selector.
type Selection struct {
	// Hosts is not empty, and in inventory order.
	Hosts []*Host
	// Warnings are a line each: items that changed nothing, hosts of earlier
	// runs that no longer exist.
	Warnings []string
}

// Select chooses hosts. The error is a [*NoMatchError] if a plain item, or the
// whole selector, matches nothing, and a [*ConflictError] if groups disagree
// about a setting of a chosen host. It is a
// [*UnusableError] if a chosen host cannot be used.
func (inv *Inventory) Select(ctx context.Context, sel Selector, opts SelectOptions) (Selection, error) {
	m := &matcher{ctx: ctx, inv: inv, runs: opts.Runs}
	chosen, err := m.union(sel)
	if err != nil {
		return Selection{}, err
	}
	for _, o := range []op{opKeep, opExclude} {
		for _, it := range sel.items {
			if it.op != o {
				continue
			}
			if err := m.narrow(chosen, it); err != nil {
				return Selection{}, sel.placed(it, err)
			}
			if len(chosen.list()) == 0 {
				return Selection{}, &NoMatchError{
					Item: sel.String(), whole: true,
					reason: fmt.Sprintf("selects no host: none is left after %s", it), plain: "selects no host: none is left after " + sel.placeOf(it),
				}
			}
		}
	}
	hosts := make([]*Host, 0, len(inv.hosts))
	for _, i := range chosen.list() {
		hosts = append(hosts, inv.hosts[i])
	}
	if len(hosts) == 0 {
		return Selection{}, &NoMatchError{Item: sel.String(), whole: true, reason: "selects no host: the inventory is empty"}
	}
	hosts = limitHosts(hosts, opts)
	if err := conflictsOf(hosts); err != nil {
		return Selection{}, err
	}
	if !opts.Unusable {
		if err := unusableOf(hosts); err != nil {
			return Selection{}, err
		}
	}
	return Selection{Hosts: hosts, Warnings: m.warnings}, nil
}

// limitHosts applies Pick and Limit.
func limitHosts(hosts []*Host, opts SelectOptions) []*Host {
	if opts.Pick > 0 && opts.Pick < len(hosts) {
		perm := rand.Perm
		if opts.Rand != nil {
			perm = opts.Rand.Perm
		}
		picked := perm(len(hosts))[:opts.Pick]
		slices.Sort(picked)
		for i, p := range picked {
			hosts[i] = hosts[p]
		}
		hosts = hosts[:opts.Pick]
	}
	if opts.Limit > 0 && opts.Limit < len(hosts) {
		hosts = hosts[:opts.Limit]
	}
	return hosts
}

// A hostSet is hosts of an inventory, by index.
type hostSet []bool

func (s hostSet) list() []int {
	var list []int
	for i, in := range s {
		if in {
			list = append(list, i)
		}
	}
	return list
}

// union is the union of the plain items.
func (m *matcher) union(sel Selector) (hostSet, error) {
	chosen := make(hostSet, len(m.inv.hosts))
	plain := false
	for _, it := range sel.items {
		if it.op != opAdd {
			continue
		}
		plain = true
		if err := m.match(it, chosen); err != nil {
			return nil, sel.placed(it, err)
		}
	}
	if !plain {
		for i := range chosen {
			chosen[i] = true
		}
	}
	return chosen, nil
}

// narrow applies an item that keeps or excludes, and warns if it changes nothing. A
// name that the inventory does not know is an error: a misspelling must not run the
// command on a host that was to be excluded.
func (m *matcher) narrow(chosen hostSet, it item) error {
	matched := make(hostSet, len(chosen))
	err := m.match(it, matched)
	var none *NoMatchError
	if err != nil && !errors.As(err, &none) {
		return err
	}
	if none != nil && (it.op == opKeep || !none.known) {
		none.op = it.op
		return none
	}
	changed := false
	for i, in := range chosen {
		if in && matched[i] == (it.op == opExclude) {
			chosen[i], changed = false, true
		}
	}
	switch {
	case none != nil:
		m.warnf("%s: %v", it, none)
	case !changed && it.op == opKeep:
		m.warnf("%s changes nothing: every selected host is in it", it)
	case !changed:
		m.warnf("%s changes nothing: no selected host is in it", it)
	}
	return nil
}
