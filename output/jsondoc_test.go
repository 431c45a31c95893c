package output

import (
	"testing"

	"tutti/internal/jsondoc"
)

// Every field of an event is in the manual, and the manual has no other.
func TestDocumentedEvents(t *testing.T) {
	manual := jsondoc.Read(t, "..")
	for section, event := range map[string]any{
		"run_started": runStarted{}, "host_started": hostStarted{}, "output": outputEvent{},
		"host_retrying": hostRetrying{}, "host_finished": hostFinished{}, "run_finished": runFinished{},
	} {
		jsondoc.Check(t, manual, event, "Every event", section)
	}
	jsondoc.Check(t, manual, changeObject{}, "diff")
}
