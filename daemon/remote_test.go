package daemon

import (
	"strings"
	"testing"
	"time"
)

// A skew is a remote registration.
type skew struct{ ahead, within time.Duration }

func (s skew) Skew() (ahead, within time.Duration) { return s.ahead, s.within }

// A daemon whose clock is certainly off decides nothing, and says why.
func TestSkewed(t *testing.T) {
	for _, test := range []struct {
		member any
		want   string // part of the reason; empty: there is none
	}{
		{nil, ""},
		{skew{}, ""},
		{skew{2 * time.Second, 0}, ""},
		{skew{-2 * time.Second, 0}, ""},
		{skew{3 * time.Second, 2 * time.Second}, ""},
		{skew{-3 * time.Second, 2 * time.Second}, ""},
		{skew{3 * time.Second, time.Millisecond}, "2.999s ahead"},
		{skew{-time.Hour, time.Second}, "59m59s behind"},
	} {
		if got := skewed(test.member); !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%+v: got %q, want %q", test.member, got, test.want)
		}
	}
}
