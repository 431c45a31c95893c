package cmd

import (
	"math"
	"testing"
	"time"
)

// FuzzDuration: a duration that is taken is not negative, and is read again from
// what we show of it.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"30s", "5m", "2h", "7d", "1.5d", "1h30m", "0", "-1s", "NaNd", "1e300d", "106751.991d", "9223372036854775807ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseDuration(s)
		if err != nil {
			return
		}
		again, err := parseDuration(formatDuration(d))
		if d < 0 || err != nil || again != d {
			t.Errorf("%q: got %v, and from its text %v, %v", s, d, again, err)
		}
	})
}

// FuzzSize: a size that is taken is not negative, and what we show of it is
// within a tenth of a unit.
func FuzzSize(f *testing.F) {
	for _, s := range []string{"4096", "64KiB", "1.5GiB", "1T", "0B", "-1", "NaN", "InfB", "1e300", "8388608TiB", "0x1p10", "1_000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var v, again sizeValue
		if v.Set(s) != nil {
			return
		}
		// The largest sizes are rounded to what is no size any more.
		if v < 0 || v < math.MaxInt64/100*99 && again.Set(formatSize(int64(v))) != nil {
			t.Fatalf("%q: got %d, shown as %s", s, v, formatSize(int64(v)))
		}
		if v < math.MaxInt64/100*99 && math.Abs(float64(again)-float64(v)) > float64(v)/10+1 {
			t.Errorf("%q: got %d, and from its text %d", s, v, again)
		}
	})
}

// FuzzSince: an instant that is taken is not after now unless it was written as
// one.
func FuzzSince(f *testing.F) {
	for _, s := range []string{"", "2h", "7d", "2026-11-20", "2026-11-20T14:30", "2026-11-20 14:30:59", "2026-11-20T14:30:59Z", "yesterday"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		at, err := parseSince(s, now)
		if _, ago := parseDuration(s); err == nil && s != "" && ago == nil && at.After(now) {
			t.Errorf("%q: got %v", s, at)
		}
	})
}
