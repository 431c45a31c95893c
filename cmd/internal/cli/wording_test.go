package cli

import (
	"slices"
	"testing"
)

// What can be done about an error has words on the command line, and nothing else has.
func TestAdviceHasWords(t *testing.T) {
	var codes []string
	for _, dir := range []string{"../../../access", "../../../client", "../../../runner", "../../../ssh", "../../../inventory", "../../../inventory/layer", "../../../inventory/sshconfig", "../../../store", "../../../scheduler", "../../../internal/filekind"} {
		codes = append(codes, constants(t, dir, "Advice")...)
	}
	for _, code := range codes {
		if Wording.Advice[code] == "" {
			t.Errorf("there are no words for %q", code)
		}
	}
	if slices.Sort(codes); len(slices.Compact(codes)) != len(Wording.Advice) {
		t.Errorf("got words for %d, want %d", len(Wording.Advice), len(codes))
	}
}
