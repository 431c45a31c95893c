package fanout

import (
	"testing"

	"tutti/internal/jsondoc"
)

// Every field of a plan is in the manual, and the manual has no other.
func TestDocumentedPlan(t *testing.T) {
	manual := jsondoc.Read(t, "..")
	jsondoc.Check(t, manual, taskJSON{}, "task")
	jsondoc.Check(t, manual, policyJSON{}, "policy")
}
