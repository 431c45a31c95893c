package store

import (
	"encoding/json"
	"fmt"

	"tutti/fanout"
)

// Decided is how a recorded run was decided, beside what its Run says.
type Decided struct {
	// Task without secrets, and the content of script and input.
	Task fanout.Task
	// Given is that of RunInfo; nil if there was none.
	Given map[string][]string
}

// planRecord is the plan column: what was decided, without the targets, which
// are rows of results, and without what has a column of its own.
type planRecord struct {
	Policy fanout.Policy       `json:"policy"`
	Task   fanout.Task         `json:"task,omitzero"`
	Given  map[string][]string `json:"given,omitempty"`
}

// PlanText is how the history keeps what was decided of a run, as JSON.
func PlanText(plan fanout.Plan, info RunInfo) (string, error) {
	record := planRecord{Policy: plan.Policy, Task: plan.Task, Given: info.Given}
	record.Task.Action = unlabelled(plan.Task.Action)
	said, err := json.Marshal(record)
	return string(said), err
}

// readPlan is the reverse of PlanText, for a run of the command.
func readPlan(text, command string, run int64) (record planRecord, err error) {
	if err := json.Unmarshal([]byte(text), &record); err != nil {
		return record, fmt.Errorf("plan of run %d: %w", run, err)
	}
	record.Task.Action = labelled(record.Task.Action, command)
	return record, nil
}

// ReadDecided is how a run of the command was decided, by the text of its plan.
func ReadDecided(text, command string, run int64) (Decided, error) {
	record, err := readPlan(text, command, run)
	return Decided{Task: record.Task, Given: record.Given}, err
}

// unlabelled is a without its label, which stands in the command column; what
// that column says all of is left out.
func unlabelled(a fanout.Action) fanout.Action {
	script, ok := a.(*fanout.Script)
	if !ok {
		return nil
	}
	bare := *script
	bare.Label = ""
	return &bare
}

// labelled is what unlabelled has taken command from.
func labelled(a fanout.Action, command string) fanout.Action {
	switch script, ok := a.(*fanout.Script); {
	case ok:
		script.Label = command
		return script
	case command != "":
		return fanout.Command(command)
	}
	return fanout.Ping{}
}
