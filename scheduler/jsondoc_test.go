package scheduler

import (
	"testing"

	"tutti/internal/jsondoc"
)

// Every field of a message is in the manual, and the manual has no other.
func TestDocumentedMessage(t *testing.T) {
	jsondoc.Check(t, jsondoc.Read(t, ".."), Message{}, "message")
}
