package postgres

import (
	"strings"

	"tutti/store"
)

// A conditions collects conditions and their arguments, whose places are written as ?.
type conditions struct {
	all  []string
	args []any
}

func (c *conditions) add(cond string, values ...any) {
	c.all, c.args = append(c.all, cond), append(c.args, values...)
}

// clause is the clause with its arguments, and with what follows it.
func (c *conditions) clause(then string, args ...any) (string, []any) {
	where := ""
	if c.all != nil {
		where = " WHERE " + strings.Join(c.all, " AND ")
	}
	return numbered(where + then), append(c.args, args...)
}

// whereRuns is which runs fit q.
func whereRuns(q *store.Query) (c conditions) {
	whereHostsOf(q, &c)
	if q.Running {
		c.add("state = 'running'")
	}
	if !q.Since.IsZero() {
		c.add("started_at >= ?", timeText(q.Since))
	}
	if !q.Until.IsZero() {
		c.add("started_at < ?", timeText(q.Until))
	}
	if q.Before > 0 {
		c.add("id < ?", q.Before)
	}
	if q.States != nil {
		c.add("state = ANY(?)", words(q.States))
	}
	for _, w := range q.Words {
		c.add("(strpos(command, ?) > 0 OR strpos(coalesce(note, ''), ?) > 0)", w, w)
	}
	for _, x := range []struct{ column, value string }{
		{"job", q.Job}, {"selector", q.Selector}, {"source", q.Source}, {`"user"`, q.User},
	} {
		if x.value != "" {
			c.add(x.column+" = ?", x.value)
		}
	}
	if q.Note != "" {
		c.add("strpos(note, ?) > 0", q.Note)
	}
	if q.RerunOf > 0 {
		c.add("rerun_of = ?", q.RerunOf)
	}
	return c
}

// whereHostsOf adds the conditions about hosts and outcomes.
func whereHostsOf(q *store.Query, c *conditions) {
	hosts := q.Hosts
	if q.Host != "" {
		hosts = []string{q.Host}
	}
	switch {
	case hosts != nil && q.Outcomes != nil:
		c.add(`EXISTS (SELECT 1 FROM hosts AS h JOIN ended AS e ON e.run_id = h.run_id AND e.position = h.position
			WHERE h.host = ANY(?) AND h.run_id = runs.id AND e.outcome = ANY(?))`, hosts, outcomeNames(q.Outcomes))
	case hosts != nil:
		c.add("EXISTS (SELECT 1 FROM hosts AS h WHERE h.host = ANY(?) AND h.run_id = runs.id)", hosts)
	case q.Outcomes != nil:
		c.add("(" + strings.Join(append(outcomeNames(q.Outcomes), "0"), " + ") + ") > 0")
	}
}

// words are the values of a list of words of a type of their own.
func words[T ~string](list []T) []string {
	all := make([]string, len(list))
	for i, w := range list {
		all[i] = string(w)
	}
	return all
}
