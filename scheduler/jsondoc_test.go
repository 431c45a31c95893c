package scheduler

import (
	"testing"

	"tutti/internal/jsondoc"
)

// docs/json.md has the fields of a message, and no others.
func TestDocumentedMessage(t *testing.T) {
	jsondoc.Check(t, jsondoc.Read(t, ".."), Message{}, "message")
}
