package event

import (
	"testing"

	"tutti/internal/jsondoc"
)

// Every field of an event is in the manual, and the manual has no other.
func TestDocumentedEvents(t *testing.T) {
	manual := jsondoc.Read(t, "../..")
	for section, event := range map[string]any{
		"run_started": RunStarted{}, "host_started": HostStarted{}, "output": Output{},
		"host_retrying": HostRetrying{}, "host_finished": HostFinished{}, "run_finished": RunFinished{},
	} {
		jsondoc.Check(t, manual, event, "Every event", section)
	}
	jsondoc.Check(t, manual, Diff{}, "diff")
}
