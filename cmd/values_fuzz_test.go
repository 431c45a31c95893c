package cmd

import (
	"testing"
	"time"

	"tutti/internal/quantity"
)

// FuzzSince: an instant that is taken is not after now unless it was written as
// one.
func FuzzSince(f *testing.F) {
	for _, s := range []string{"", "2h", "7d", "2026-11-20", "2026-11-20T14:30", "2026-11-20 14:30:59", "2026-11-20T14:30:59Z", "yesterday"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		at, err := parseSince(s, now)
		if _, ago := quantity.ParseDuration(s); err == nil && s != "" && ago == nil && at.After(now) {
			t.Errorf("%q: got %v", s, at)
		}
	})
}
