package tables

import (
	"database/sql"
	"slices"
	"strconv"
	"strings"

	"tutti/fanout"
	"tutti/store"
)

// The characters between fields and between hosts in the text of GroupHosts; names have neither.
const (
	fieldEnd = "\x1f"
	hostEnd  = "\x1e"
)

// GroupHosts are the hosts of a run by what tells their answers apart. The text has, of
// each, its position, its name, and that, with fieldEnd between them and hostEnd between
// hosts.
func GroupHosts(text string) ([]*store.Group, error) {
	var groups []*store.Group
	byAnswer := make(map[string]*store.Group)
	for line := range strings.SplitSeq(text, hostEnd) {
		position, rest, _ := strings.Cut(line, fieldEnd)
		host, answer, _ := strings.Cut(rest, fieldEnd)
		n, err := strconv.Atoi(position)
		if err != nil {
			return nil, err
		}
		g := byAnswer[answer]
		if g == nil {
			g = &store.Group{}
			byAnswer[answer] = g
			groups = append(groups, g)
		}
		g.Hosts, g.Positions = append(g.Hosts, host), append(g.Positions, n)
	}
	for _, g := range groups {
		inOrder(g)
	}
	return groups, nil
}

// inOrder sorts the hosts of a group. They are in order as a rule, to which a
// database is not bound.
func inOrder(g *store.Group) {
	if slices.IsSorted(g.Positions) {
		return
	}
	at := make(map[int]string, len(g.Hosts))
	for i, position := range g.Positions {
		at[position] = g.Hosts[i]
	}
	slices.Sort(g.Positions)
	for i, position := range g.Positions {
		g.Hosts[i] = at[position]
	}
}

// An AnswerRow is what hosts have in common.
type AnswerRow struct {
	Outcome, Signal, Op, Message, Hint, Hash sql.NullString
	Started                                  bool
	Attempts                                 int
	ExitCode                                 sql.NullInt64
}

// Answer is what the row says; cutOff: the host has ended even without an outcome.
func (r *AnswerRow) Answer(cutOff bool) (a store.Answer, err error) {
	a.Started = r.Started
	a.Phase, a.Outcome, err = HostPhase(r.Outcome, r.Started, r.Attempts, cutOff)
	if err != nil || !r.Outcome.Valid {
		return a, err
	}
	a.ExitCode = exitCode(r.ExitCode)
	a.Signal, a.Op, a.Error, a.Hint, a.OutputHash = r.Signal.String, fanout.Op(r.Op.String), r.Message.String, r.Hint.String, r.Hash.String
	return a, nil
}

// HostPhase is the phase of a host and, if it has ended, its outcome. cutOff: it has
// ended even without one on record.
func HostPhase(outcome sql.NullString, started bool, attempts int, cutOff bool) (store.Phase, fanout.Outcome, error) {
	switch {
	case outcome.Valid:
		o, err := fanout.ParseOutcome(outcome.String)
		return store.HostEnded, o, err
	case cutOff:
		return store.HostEnded, store.CutOff(started), nil
	}
	return store.PhaseOf(false, started, attempts), 0, nil
}

// exitCode is nil for NULL.
func exitCode(n sql.NullInt64) *int {
	if !n.Valid {
		return nil
	}
	code := int(n.Int64)
	return &code
}
