package api

import (
	"testing"

	"tutti/internal/jsondoc"
)

// Every field of a form is in the manual, and the manual has no other.
func TestDocumentedJSON(t *testing.T) {
	manual := jsondoc.Read(t, "..")
	for section, v := range map[string]any{
		"plan": Plan{}, "host": Host{}, "run": Run{}, "job": Job{}, "firing": Firing{}, "check": Check{},
		"user": User{}, "token": Token{}, "audit": AuditEntry{}, "session": Session{}, "connection": Connection{},
	} {
		jsondoc.Check(t, manual, v, section)
	}
	jsondoc.Check(t, manual, JobDetails{}, "job", "job show")
}
