package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
)

// maxMissing is how many missing names are kept for a message.
const maxMissing = 10_000

// A NoMatchError says that an item, or a whole selector, matches nothing, or
// that names of a range are missing.
type NoMatchError struct {
	// Item is the item's text.
	Item string
	// Missing are the names that do not exist, if the item is a range; not
	// more than 10,000 of them.
	Missing []string
	// Nearest are similar names, the nearest first.
	Nearest []string
	// reason ends the error's sentence about the item, and plain is the same without
	// names; empty: reason has none.
	reason, plain string
	// known says that the item exists in the inventory, but has no hosts.
	known bool
	op    op // that stands before the item
	// place says which item it is, without its text; empty: it is the only one, or the
	// error is about the whole selector, if whole.
	place string
	whole bool
}

// Place is which item of the request it is, for who must not be told its text: "item 2 of
// 3", "item 1 of exclude", "an item" of a selector that has no other, or "the selector".
func (e *NoMatchError) Place() string {
	if e.whole {
		return "the selector"
	}
	return cmp.Or(e.place, "an item")
}

// Narrows reports whether the item was to keep or exclude hosts: if it is misspelt,
// more hosts are left than were meant.
func (e *NoMatchError) Narrows() bool { return e.op != opAdd }

// Reason ends a sentence about the item, and has no names.
func (e *NoMatchError) Reason() string { return cmp.Or(e.plain, e.reason) }

// Error names the item, and similar names.
func (e *NoMatchError) Error() string {
	text := hostlist.Quote(e.Item) + " " + e.reason
	if e.op == opExclude {
		text += ", so it would exclude nothing"
	}
	if len(e.Nearest) > 0 {
		text += "; nearest: " + strings.Join(e.Nearest, ", ")
	}
	return text
}

// A matcher finds the hosts of items.
type matcher struct {
	// ctx belongs to the one call of Select that the matcher serves.
	ctx      context.Context
	inv      *Inventory
	runs     Runs
	warnings []string
}

func (m *matcher) warnf(format string, args ...any) {
	m.warnings = append(m.warnings, fmt.Sprintf(format, args...))
}

// match adds the hosts of an item to set. With a *NoMatchError it has still added those
// that exist.
func (m *matcher) match(it item, set hostSet) error {
	switch it.kind {
	case itemAll:
		return m.where(it, set, "selects no host: the inventory is empty", func(*Host) bool { return true })
	case itemWildcard:
		return m.wildcards(it, set)
	case itemRegexp:
		return m.where(it, set, "matches no host's name", func(h *Host) bool { return it.regexp.MatchString(h.Name) })
	case itemLabel:
		return m.labels(it, set)
	case itemFile:
		return m.file(it, set)
	case itemRun:
		return m.run(it, set)
	}
	return m.names(it, set)
}

// where adds the hosts for which ok holds; there must be one.
func (m *matcher) where(it item, set hostSet, reason string, ok func(*Host) bool) error {
	found := false
	for i, h := range m.inv.hosts {
		if ok(h) {
			set[i], found = true, true
		}
	}
	if !found {
		return &NoMatchError{Item: it.text, reason: reason}
	}
	return nil
}

// names adds hosts and groups by name, all of which must exist.
func (m *matcher) names(it item, set hostSet) error {
	var missing []string
	count, empty := 0, ""
	for name := range it.names.Names() {
		switch m.name(name, set) {
		case nameEmpty:
			empty = name
		case nameUnknown:
			if count++; count <= maxMissing {
				missing = append(missing, name)
			}
		}
	}
	switch {
	case count == 0 && empty == "":
		return nil
	case count == 0:
		return &NoMatchError{Item: empty, reason: "is a group without hosts", known: true}
	}
	err := &NoMatchError{Item: it.text, reason: "is neither a host nor a group", Nearest: m.nearest(missing[0])}
	if it.names.Ranged() {
		verb := "are neither hosts nor groups"
		if count == 1 {
			verb = "is neither a host nor a group"
		}
		err.Missing, err.plain = missing, "expands to names that are neither hosts nor groups"
		err.reason = fmt.Sprintf("expands to %d name%s that %s: %s", count, plural(count, "s"), verb, cut(hostlist.Fold(missing)))
	}
	return err
}

// What a name turns out to be.
type nameKind int

const (
	nameUnknown nameKind = iota
	nameEmpty            // a group without hosts
	nameKnown
)

// name adds the hosts of a group, or a host. A name can be both in an inventory
// of Ansible's, which takes the group as well.
func (m *matcher) name(name string, set hostSet) nameKind {
	if members, ok := m.inv.members[name]; ok {
		for _, i := range members {
			set[i] = true
		}
		if len(members) == 0 {
			return nameEmpty
		}
		return nameKnown
	}
	if i, ok := m.inv.byName[name]; ok {
		set[i] = true
		return nameKnown
	}
	return nameUnknown
}

// nearest returns hosts and groups that word may be short for, or a misspelling of.
func (m *matcher) nearest(word string) []string {
	const enough = 3
	var near []string
	for _, name := range m.inv.hostNames() {
		if len(near) < enough && len(word) < len(name) && strings.EqualFold(name[:len(word)], word) && name[len(word)] == '.' {
			near = append(near, name)
		}
	}
	if len(near) > 0 {
		return near
	}
	return yamltree.NearestN(word, append(m.inv.Groups(), m.inv.hostNames()...), enough)
}

// wildcards adds hosts by patterns, each of which must match one.
func (m *matcher) wildcards(it item, set hostSet) error {
	sorted := m.inv.sorted()
	var none error
	for pattern := range it.names.Names() {
		if m.ctx.Err() != nil {
			return context.Cause(m.ctx)
		}
		found := false
		prefix := pattern[:strings.IndexAny(pattern, "*?")]
		first, _ := slices.BinarySearchFunc(sorted, prefix, func(i int, prefix string) int {
			return strings.Compare(m.inv.hosts[i].Name, prefix)
		})
		for _, i := range sorted[first:] {
			name := m.inv.hosts[i].Name
			if !strings.HasPrefix(name, prefix) {
				break
			}
			if hostlist.Match(pattern, name) {
				set[i], found = true, true
			}
		}
		if !found && none == nil {
			none = &NoMatchError{Item: pattern, reason: "matches no host's name"}
		}
	}
	return none
}

// labels adds hosts by a label. A host without the label is unequal to every value; but
// a label that no host has is an error, because != would then select every host.
func (m *matcher) labels(it item, set hostSet) error {
	known := slices.ContainsFunc(m.inv.hosts, func(h *Host) bool {
		_, has := h.Labels[it.label]
		return has
	})
	if !known {
		return &NoMatchError{
			Item:    it.text,
			Nearest: yamltree.NearestN(it.label, m.labelNames(), 3),
			reason:  fmt.Sprintf("matches nothing: no host has a label %q", it.label),
			plain:   "matches nothing: no host has such a label",
		}
	}
	err := m.where(it, set, "matches no host", func(h *Host) bool {
		value, has := h.Labels[it.label]
		return (has && hostlist.Match(it.value, value)) != it.negated
	})
	var none *NoMatchError
	if errors.As(err, &none) {
		none.Nearest = m.nearestValues(it)
		// Every host has the value that the item excludes.
		none.known = it.negated
	}
	return err
}

func (m *matcher) labelNames() []string {
	var names []string
	for _, label := range m.inv.Labels() {
		name, _, _ := strings.Cut(label, "=")
		names = append(names, name)
	}
	return slices.Compact(names)
}

// nearestValues are labels of that name with similar values.
func (m *matcher) nearestValues(it item) []string {
	var known []string
	for _, label := range m.inv.Labels() {
		if strings.HasPrefix(label, it.label+"=") {
			known = append(known, label)
		}
	}
	return yamltree.NearestN(it.text, known, 3)
}

// run adds the hosts of an earlier run.
func (m *matcher) run(it item, set hostSet) error {
	if m.runs == nil {
		return fmt.Errorf("%s: earlier runs cannot be used here", it)
	}
	names, err := m.runs.Hosts(m.ctx, it.ref, it.outcomes)
	if err != nil {
		return fmt.Errorf("%s: %w", it, err)
	}
	var missing []string
	for _, name := range names {
		i, ok := m.inv.byName[name]
		if !ok {
			missing = append(missing, name)
			continue
		}
		set[i] = true
	}
	switch {
	case len(names) == 0:
		return &NoMatchError{Item: it.text, reason: "matches no host of that run", known: true}
	case len(missing) == len(names):
		return &NoMatchError{
			Item: it.text, Missing: missing,
			reason: "names only hosts that are no longer in the inventory: " + cut(hostlist.Fold(missing)),
			plain:  "names only hosts that are no longer in the inventory",
			known:  true,
		}
	case len(missing) > 0:
		m.warnf("%s: no longer in the inventory: %s", it, cut(hostlist.Fold(missing)))
	}
	return nil
}
