package cmd

import (
	"testing"

	"tutti/runner"
)

// What can be done about an error of a run has words on the command line.
func TestAdviceHasWords(t *testing.T) {
	for _, code := range runner.Advices() {
		if wording.Advice[code] == "" {
			t.Errorf("there are no words for %q", code)
		}
	}
	if len(wording.Advice) != len(runner.Advices()) {
		t.Errorf("got words for %d, want %d", len(wording.Advice), len(runner.Advices()))
	}
}
