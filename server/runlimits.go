package server

import (
	"strconv"

	"tutti/api"
	"tutti/internal/quantity"
	"tutti/runner"
	"tutti/server/operation"
	"tutti/store"
)

// checkLimits refuses a request that asks for more than a run may have, and gives one
// without a deadline the latest that there is.
func checkLimits(q *store.QueuedRequest) error {
	r := runner.NewRequest()
	for _, name := range []string{"fanout", "timeout", "deadline", "record-limit"} {
		for _, text := range q.Keys[name] {
			if err := r.Set(name, text); err != nil {
				return &runner.KeyError{Key: name, Err: err}
			}
		}
	}
	if q.Keys == nil {
		q.Keys = map[string][]string{}
	}
	if !r.Given("deadline") || r.Limits.Deadline == 0 {
		r.Limits.Deadline = runLimits.Deadline
		q.Keys["deadline"] = []string{quantity.FormatDuration(runLimits.Deadline)}
	}
	most := func(name, text string) error {
		return operation.Invalid.Fail("").With(api.At("/"+name, "is more than "+text+", the most that a run may have"))
	}
	switch {
	case r.Limits.Fanout > runLimits.Fanout:
		return most("fanout", strconv.Itoa(runLimits.Fanout))
	case r.Limits.Timeout > runLimits.Timeout:
		return most("timeout", quantity.FormatDuration(runLimits.Timeout))
	case r.Limits.Deadline > runLimits.Deadline:
		return most("deadline", quantity.FormatDuration(runLimits.Deadline))
	case r.Record.Limit > runLimits.RecordLimit:
		return most("record_limit", quantity.FormatSize(runLimits.RecordLimit))
	}
	return nil
}
