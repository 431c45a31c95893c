// Package quantity reads and writes durations and sizes as people do, in flags,
// inventories and jobs alike: 90s, 1h30m, 7d; 4096, 64KiB, 1.5GiB.
package quantity

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// ParseDuration reads what [time.ParseDuration] reads, and days, such as 7d or
// 1.5d. It is never less than nothing, and has a unit unless it is 0.
func ParseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err == nil && n >= 0 && n < math.MaxInt64/float64(day) {
			return time.Duration(n * float64(day)), nil
		}
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil && text != "" && strings.Trim(text, "0123456789") == "":
		return 0, fmt.Errorf("%s has no unit: write %[1]ss for seconds or %[1]sm for minutes", clip(text))
	case err != nil:
		return 0, fmt.Errorf("%q: want a duration such as 30s, 5m, 2h or 7d", clip(text))
	case d < 0:
		return 0, fmt.Errorf("%s must not be negative", clip(text))
	}
	return d, nil
}

// sinceLayouts are the ways to write a time, in the zone of now unless they
// name another.
var sinceLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly}

// ParseSince reads a time such as 2026-11-20T14:30, in the zone of now, or how long
// before now it was.
func ParseSince(text string, now time.Time) (time.Time, error) {
	if d, err := ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range sinceLayouts {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q: want a time such as 2026-11-20T14:30 or a duration such as 2h or 7d", text)
}

// ParseUntil reads a time such as 2026-11-20T14:30, in the zone of now, or how long after
// now it is. It has to be after now.
func ParseUntil(text string, now time.Time) (time.Time, error) {
	d, err := ParseDuration(text)
	at := now.Add(d)
	for _, layout := range sinceLayouts {
		if err == nil {
			break
		}
		at, err = time.ParseInLocation(layout, text, now.Location())
	}
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("%q: want a time such as 2026-11-20T14:30 or a duration such as 2h or 7d", clip(text))
	case !at.After(now):
		return time.Time{}, fmt.Errorf("%q is not to come", clip(text))
	}
	return at, nil
}

// FormatDuration is a text that [ParseDuration] reads as d, without units of
// which there are none: 5m, not 5m0s. Whole days are days.
func FormatDuration(d time.Duration) string {
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// units from the largest; those of a thousand are read as the ones of 1024, as
// most tools do.
var units = []struct {
	names []string
	bytes int64
}{
	{[]string{"TiB", "TB", "T"}, 1 << 40},
	{[]string{"GiB", "GB", "G"}, 1 << 30},
	{[]string{"MiB", "MB", "M"}, 1 << 20},
	{[]string{"KiB", "kB", "KB", "K", "k"}, 1 << 10},
	{[]string{"B", ""}, 1},
}

// ParseSize reads a number of bytes.
func ParseSize(text string) (int64, error) {
	for _, unit := range units {
		for _, name := range unit.names {
			digits, ok := strings.CutSuffix(text, name)
			if !ok {
				continue
			}
			n, err := strconv.ParseFloat(digits, 64)
			if err == nil && n >= 0 && n*float64(unit.bytes) < math.MaxInt64 {
				return int64(n * float64(unit.bytes)), nil
			}
		}
	}
	return 0, fmt.Errorf("%q: want a size such as 64KiB, 4MiB or 1GiB", clip(text))
}

// FormatSize is n for people: in the largest unit of which there is at least one,
// rounded to a tenth of it.
func FormatSize(n int64) string {
	for _, unit := range units {
		if f := float64(n) / float64(unit.bytes); f >= 1 {
			return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) + unit.names[0]
		}
	}
	return "0B"
}

// ExactSize is the shortest text that [ParseSize] reads as n, which is not
// negative.
func ExactSize(n int64) string {
	for _, unit := range units {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.names[0]
		}
	}
	return "0B"
}

// clip is text short enough for an error.
func clip(text string) string {
	const longest = 40
	if len(text) <= longest {
		return text
	}
	return text[:longest] + "…"
}
