package quantity

import (
	"testing"
	"time"
)

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	for text, want := range map[string]string{
		"2h":                   "2026-11-21T09:00:00Z",
		"7d":                   "2026-11-14T11:00:00Z",
		"2026-11-20":           "2026-11-19T23:00:00Z",
		"2026-11-20 14:30":     "2026-11-20T13:30:00Z",
		"2026-11-20T14:30:05":  "2026-11-20T13:30:05Z",
		"2026-11-20T14:30:05Z": "2026-11-20T14:30:05Z",
		"yesterday":            "",
		"":                     "",
		"20.11.2026":           "",
	} {
		got, err := ParseSince(text, now)
		if (err == nil) != (want != "") || err == nil && got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: got %s, %v, want %q", text, got, err, want)
		}
	}
}

func TestParseUntil(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	for text, want := range map[string]string{
		"2h":                   "2026-11-21T13:00:00Z",
		"7d":                   "2026-11-28T11:00:00Z",
		"2026-11-22":           "2026-11-21T23:00:00Z",
		"2026-11-21 14:30":     "2026-11-21T13:30:00Z",
		"2026-11-21T14:30:05Z": "2026-11-21T14:30:05Z",
		"2026-11-21T12:00":     "",
		"2026-11-20":           "",
		"0s":                   "",
		"-1h":                  "",
		"tomorrow":             "",
		"":                     "",
	} {
		got, err := ParseUntil(text, now)
		if (err == nil) != (want != "") || err == nil && got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: got %s, %v, want %q", text, got, err, want)
		}
	}
}

// FuzzSince: an accepted time is not after now unless it was written as a point in
// time.
func FuzzSince(f *testing.F) {
	for _, s := range []string{"", "2h", "7d", "2026-11-20", "2026-11-20T14:30", "2026-11-20 14:30:59", "2026-11-20T14:30:59Z", "yesterday"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		at, err := ParseSince(s, now)
		if _, ago := ParseDuration(s); err == nil && s != "" && ago == nil && at.After(now) {
			t.Errorf("%q: got %v", s, at)
		}
	})
}
