package hostkeys

import (
	"strings"
	"testing"
)

func TestHostKeyModes(t *testing.T) {
	for _, m := range []Mode{Strict, AcceptNew, Off} {
		if got, err := Parse(m.String()); err != nil || got != m {
			t.Errorf("Parse(%q): got %v, %v, want %v", m.String(), got, err, m)
		}
	}
	var zero Mode
	if zero != Strict {
		t.Errorf("got zero value %v, want strict", zero)
	}
	if _, err := Parse("Accept"); err == nil || !strings.Contains(err.Error(), `"accept-new"?`) {
		t.Errorf("got error %v, want one that offers accept-new", err)
	}
}
