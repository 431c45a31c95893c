package cmd

import (
	"testing"

	"tutti/internal/jsondoc"
)

// Every field that a command prints is in the manual, and the manual has no
// other.
func TestDocumentedJSON(t *testing.T) {
	manual := jsondoc.Read(t, "..")
	for section, v := range map[string]any{
		"plan": planJSON{}, "host": hostJSON{}, "run": runJSON{}, "job": jobJSON{}, "firing": firingJSON{}, "check": check{},
	} {
		jsondoc.Check(t, manual, v, section)
	}
	jsondoc.Check(t, manual, portraitJSON{}, "job", "job show")
}
