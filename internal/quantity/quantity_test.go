package quantity

import (
	"math"
	"testing"
)

func TestDurations(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0s", "0s": "0s", "500ms": "500ms", "10s": "10s", "90s": "1m30s", "30m": "30m", "90m": "1h30m", "1h": "1h",
		"3605s": "1h0m5s", "10m10s": "10m10s", "20h": "20h", "24h": "1d", "1.5d": "36h", "48h": "2d", "7d": "7d",
	} {
		d, err := ParseDuration(text)
		if got := FormatDuration(d); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "-5s", "-1d", "999999999d", "d", "x", "NaNd", "Infd"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q: got %s", text, d)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0B", "512B": "512B", "64KiB": "64KiB", "1GiB": "1GiB", "1025KiB": "1025KiB", "1.5M": "1536KiB", "5MB": "5MiB", "4097": "4097B",
	} {
		n, err := ParseSize(text)
		if got := ExactSize(n); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
	for n, want := range map[int64]string{0: "0B", 1000: "1000B", 4600: "4.5KiB", 1 << 31: "2GiB", 1<<40 + 1: "1TiB"} {
		if got := FormatSize(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
	for _, text := range []string{"", "-5B", "5x", "9999999999999GiB", "B", "NaN", "InfB"} {
		if n, err := ParseSize(text); err == nil {
			t.Errorf("%q: got %d", text, n)
		}
	}
}

// FuzzDuration: a duration that is taken is not negative, and is read again from
// what we show of it.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"30s", "5m", "2h", "7d", "1.5d", "1h30m", "0", "-1s", "NaNd", "1e300d", "106751.991d", "9223372036854775807ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		again, err := ParseDuration(FormatDuration(d))
		if d < 0 || err != nil || again != d {
			t.Errorf("%q: got %v, and from its text %v, %v", s, d, again, err)
		}
	})
}

// FuzzSize: a size that is taken is not negative, is read again from its exact
// text, and within a tenth of a unit from what is shown of it.
func FuzzSize(f *testing.F) {
	for _, s := range []string{"4096", "64KiB", "1.5GiB", "1T", "0B", "-1", "NaN", "InfB", "1e300", "8388608TiB", "0x1p10", "1_000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		// The largest sizes are rounded to what is no size any more.
		if err != nil || n >= math.MaxInt64/100*99 {
			return
		}
		shown, err := ParseSize(FormatSize(n))
		if n < 0 || err != nil || math.Abs(float64(shown)-float64(n)) > float64(n)/10+1 {
			t.Errorf("%q: got %d, and from what is shown %d, %v", s, n, shown, err)
		}
		if exact, err := ParseSize(ExactSize(n)); n < 1<<53 && (err != nil || exact != n) {
			t.Errorf("%q: got %d, and from its exact text %d, %v", s, n, exact, err)
		}
	})
}

func TestLongTextsAreClipped(t *testing.T) {
	long := string(make([]byte, 10_000))
	for _, parse := range []func() error{
		func() error { _, err := ParseDuration(long); return err },
		func() error { _, err := ParseSize(long); return err },
	} {
		if err := parse(); err == nil || len(err.Error()) > 400 {
			t.Errorf("got %v, want a short error", err)
		}
	}
}
