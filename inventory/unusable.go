package inventory

import (
	"fmt"
	"slices"
	"strings"

	"tutti/internal/hostlist"
	"tutti/inventory/layer"
)

// An Unusable is a reason why a host cannot be used with its settings.
type Unusable struct {
	// Reason is a clause, such as "its port: \"x\" is not a number".
	Reason string
	Origin layer.Origin
}

// An UnusableError says that hosts were selected that cannot be used.
type UnusableError struct {
	// Hosts is not empty, and each of them has at least one reason.
	Hosts []*Host
}

// Error is a line for each reason.
func (e *UnusableError) Error() string {
	var order []Unusable
	names := make(map[Unusable][]string)
	for _, h := range e.Hosts {
		for _, r := range h.Unusable {
			if names[r] == nil {
				order = append(order, r)
			}
			names[r] = append(names[r], h.Name)
		}
	}
	const most = 10
	var lines []string
	for _, r := range order[:min(most, len(order))] {
		lines = append(lines, fmt.Sprintf("host%s %s: %s (%s)", plural(len(names[r]), "s"), cut(hostlist.Fold(names[r])), r.Reason, r.Origin.Inline()))
	}
	if len(order) > most {
		lines = append(lines, fmt.Sprintf("and %d more", len(order)-most))
	}
	return strings.Join(lines, "\n")
}

// The codes of advice, whose words the caller has.
const (
	// AdviceUnusable: hosts are not usable: their names, as a selector.
	AdviceUnusable = "hosts refused"
	// AdviceJobsFile: a file of jobs was named as an inventory.
	AdviceJobsFile = "jobs file"
	// AdviceUntrusted: an inventory that was found is not used, since others can
	// write it.
	AdviceUntrusted = layer.AdviceUntrusted
)

// Advice is to exclude the hosts.
func (e *UnusableError) Advice() (code string, args []any) {
	names := make([]string, len(e.Hosts))
	for i, h := range e.Hosts {
		names[i] = h.Name
	}
	return AdviceUnusable, []any{cut(hostlist.Fold(names))}
}

// Check returns the error that Select would return for h, nil if it can be used.
func (inv *Inventory) Check(h *Host) error {
	if err := conflictsOf([]*Host{h}); err != nil {
		return err
	}
	return unusableOf([]*Host{h})
}

// unusableOf returns an *UnusableError with the hosts that cannot be used, or nil.
func unusableOf(hosts []*Host) error {
	refused := slices.DeleteFunc(slices.Clone(hosts), func(h *Host) bool { return len(h.Unusable) == 0 })
	if len(refused) == 0 {
		return nil
	}
	return &UnusableError{Hosts: refused}
}
