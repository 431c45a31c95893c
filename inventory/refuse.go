package inventory

import (
	"fmt"
	"slices"
	"strings"

	"tutti/internal/hostlist"
	"tutti/inventory/layer"
)

// A Refusal is why a host cannot be used as its inventory has it.
type Refusal struct {
	// Reason is a clause, such as "its port: \"x\" is not a number".
	Reason string
	Origin layer.Origin
}

// A RefusedError says that hosts were selected that have refusals.
type RefusedError struct {
	// Hosts is not empty, and each of them has at least one refusal.
	Hosts []*Host
}

// Error is a line for each reason.
func (e *RefusedError) Error() string {
	var order []Refusal
	names := make(map[Refusal][]string)
	for _, h := range e.Hosts {
		for _, r := range h.Refusals {
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
	// AdviceRefused: hosts are not usable: their names, as a selector.
	AdviceRefused = "hosts refused"
	// AdviceJobsFile: a file of jobs was named as an inventory.
	AdviceJobsFile = "jobs file"
)

// Advice is to go on without the hosts.
func (e *RefusedError) Advice() (code string, args []any) {
	names := make([]string, len(e.Hosts))
	for i, h := range e.Hosts {
		names[i] = h.Name
	}
	return AdviceRefused, []any{cut(hostlist.Fold(names))}
}

// Check reports why a host of inv cannot be used. The error is what Select would
// return for it.
func (inv *Inventory) Check(h *Host) error {
	if err := conflictsOf([]*Host{h}); err != nil {
		return err
	}
	return refusedOf([]*Host{h})
}

// refusedOf returns the hosts that have refusals as a *RefusedError, or nil.
func refusedOf(hosts []*Host) error {
	refused := slices.DeleteFunc(slices.Clone(hosts), func(h *Host) bool { return len(h.Refusals) == 0 })
	if len(refused) == 0 {
		return nil
	}
	return &RefusedError{Hosts: refused}
}
