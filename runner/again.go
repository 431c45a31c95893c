package runner

import (
	"context"
	"fmt"
	"io"
	"strings"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/internal/phrase"
	"tutti/internal/typed"
	"tutti/store"
)

// TaskAgain returns the task of run for a repetition, without its environment. kept is
// the text of the script that it was submitted with; nil: there is none on record. The
// caller closes the source of its script.
func TaskAgain(ctx context.Context, stdin io.Reader, run store.Run, recorded fanout.Task, kept []byte) (fanout.Task, error) {
	task := fanout.Task{Action: recorded.Action, Job: recorded.Job}
	script, ok := recorded.Action.(*fanout.Script)
	if !ok {
		return task, nil
	}
	if kept != nil {
		again, err := scriptOfText(ctx, QueuedAgain(script, kept))
		if err == nil {
			task.Action = again
		}
		return task, err
	}
	if script.Name == "-" {
		return task, fault.Advise(fault.Usagef("run %d read its script from standard input, which cannot be read again", run.ID),
			AdviceScriptGone, run.ID)
	}
	again, err := ReadScript(ctx, stdin, script.Name)
	if err != nil {
		return task, err
	}
	if again.SHA256 != script.SHA256 {
		_ = again.Source.Close() // it was only read
		return task, fault.Advise(fault.Usagef("%s has changed since run %d", script.Name, run.ID),
			AdviceScriptChanged, run.ID, phrase.ShellWord(script.Name))
	}
	again.Label, again.Args = script.Label, script.Args
	task.Action = again
	return task, nil
}

// QueuedAgain is a recorded script of that text, to be submitted.
func QueuedAgain(script *fanout.Script, text []byte) *store.QueuedScript {
	return &store.QueuedScript{Label: script.Label, Text: text, Interpreter: strings.Join(script.Interpreter, " "), Args: script.Args}
}

// RunItem is the selector item for the hosts of a run.
func RunItem(id int64, outcomes []fanout.Outcome) string {
	item := fmt.Sprintf("run:%d", id)
	if len(outcomes) > 0 {
		item += ":" + strings.Join(typed.OutcomeWords(outcomes), "+")
	}
	return item
}
