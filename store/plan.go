package store

import (
	"encoding/json"
	"fmt"

	"tutti/fanout"
)

// Decided is the task of a recorded run, in addition to its Run.
type Decided struct {
	// Task lacks secrets, and the content of script and input.
	Task fanout.Task
	// Given is that of RunInfo; nil if there was none.
	Given map[string][]string
	// Policy is how the run goes over its hosts.
	Policy fanout.Policy
}

// planRecord is the JSON of the plan column: the plan without its targets, which are
// rows of results, and without what has its own column.
type planRecord struct {
	Policy fanout.Policy       `json:"policy"`
	Task   fanout.Task         `json:"task,omitzero"`
	Given  map[string][]string `json:"given,omitempty"`
}

// PlanText returns the plan of a run as the history stores it, as JSON.
func PlanText(plan fanout.Plan, info RunInfo) (string, error) {
	record := planRecord{Policy: plan.Policy, Task: plan.Task, Given: info.Given}
	record.Task.Action = unlabelled(plan.Task.Action)
	said, err := json.Marshal(record)
	return string(said), err
}

// readPlan parses a PlanText, for a run of the command.
func readPlan(text, command string, run int64) (record planRecord, err error) {
	if err := json.Unmarshal([]byte(text), &record); err != nil {
		return record, fmt.Errorf("plan of run %d: %w", run, err)
	}
	record.Task.Action = labelled(record.Task.Action, command)
	return record, nil
}

// ReadDecided returns how a run of the command was decided, from its PlanText.
func ReadDecided(text, command string, run int64) (Decided, error) {
	record, err := readPlan(text, command, run)
	return Decided{Task: record.Task, Given: record.Given, Policy: record.Policy}, err
}

// unlabelled returns a without its label, which the command column has; nil if that
// column has all of a.
func unlabelled(a fanout.Action) fanout.Action {
	switch a := a.(type) {
	case *fanout.Script:
		bare := *a
		bare.Label = ""
		return &bare
	case *fanout.Transfer:
		bare := *a
		bare.Label = ""
		return &bare
	}
	return nil
}

// labelled is the reverse of unlabelled.
func labelled(a fanout.Action, command string) fanout.Action {
	switch a := a.(type) {
	case *fanout.Script:
		a.Label = command
		return a
	case *fanout.Transfer:
		a.Label = command
		return a
	}
	if command != "" {
		return fanout.Command(command)
	}
	return fanout.Ping{}
}
