package cmd

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"tutti/fanout"
)

// A durationValue is a flag that takes "90s", "10m", "2h" or "30d", never less
// than nothing.
type durationValue time.Duration

var _ pflag.Value = (*durationValue)(nil)

func (v *durationValue) Set(s string) error {
	d, err := parseDuration(s)
	*v = durationValue(d)
	return err
}

func (v *durationValue) String() string {
	if *v == 0 {
		return "0" // which help takes for no default
	}
	return formatDuration(time.Duration(*v))
}

// Type is the placeholder in help.
func (v *durationValue) Type() string { return "DURATION" }

func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err == nil && n >= 0 && n < math.MaxInt64/float64(24*time.Hour) {
			return time.Duration(n * float64(24*time.Hour)), nil
		}
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a duration such as 30s, 5m, 2h or 7d", s)
	case d < 0:
		return 0, fmt.Errorf("%q is less than nothing", s)
	}
	return d, nil
}

// formatDuration leaves out the zeros that time.Duration shows: 5m, not 5m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// A sizeValue is a flag that takes a number of bytes: "4096", "64KiB", "1GiB".
type sizeValue int64

var _ pflag.Value = (*sizeValue)(nil)

// sizeUnits from the largest; those of a thousand are accepted as the ones of
// 1024, as most tools do.
var sizeUnits = []struct {
	names  []string
	factor float64
}{
	{[]string{"TiB", "TB", "T"}, 1 << 40},
	{[]string{"GiB", "GB", "G"}, 1 << 30},
	{[]string{"MiB", "MB", "M"}, 1 << 20},
	{[]string{"KiB", "kB", "KB", "K", "k"}, 1 << 10},
	{[]string{"B", ""}, 1},
}

func (v *sizeValue) Set(s string) error {
	for _, unit := range sizeUnits {
		for _, name := range unit.names {
			digits, ok := strings.CutSuffix(s, name)
			if !ok {
				continue
			}
			n, err := strconv.ParseFloat(digits, 64)
			if err == nil && n >= 0 && n*unit.factor < math.MaxInt64 {
				*v = sizeValue(n * unit.factor)
				return nil
			}
		}
	}
	return fmt.Errorf("%q is not a size such as 64KiB, 4MiB or 1GiB", s)
}

func (v *sizeValue) String() string {
	if *v == 0 {
		return ""
	}
	return formatSize(int64(*v))
}

// Type is the placeholder in help.
func (v *sizeValue) Type() string { return "SIZE" }

// formatSize is n in the largest unit of which there is at least one.
func formatSize(n int64) string {
	for _, unit := range sizeUnits {
		if f := float64(n) / unit.factor; f >= 1 {
			return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) + unit.names[0]
		}
	}
	return "0B"
}

// retryable are the outcomes after which another attempt makes sense.
var retryable = []fanout.Outcome{fanout.Unreachable, fanout.Lost, fanout.Timeout, fanout.Failed}

// A retryValue is an outcomesValue of retryable ones.
type retryValue struct{ outcomesValue }

func (v *retryValue) Set(s string) error {
	var out outcomesValue
	err := out.Set(s)
	if err != nil || slices.ContainsFunc(out, func(o fanout.Outcome) bool { return !slices.Contains(retryable, o) }) {
		return fmt.Errorf("%q: want some of %s", s, (*outcomesValue)(&retryable))
	}
	v.outcomesValue = out
	return nil
}

// An outcomesValue is a flag that takes outcomes, separated by commas.
type outcomesValue []fanout.Outcome

var _ pflag.Value = (*outcomesValue)(nil)

func (v *outcomesValue) Set(s string) error {
	var out outcomesValue
	for _, word := range strings.Split(s, ",") {
		o, err := fanout.ParseOutcome(strings.TrimSpace(word))
		if err != nil {
			return err
		}
		out = append(out, o)
	}
	*v = out
	return nil
}

func (v *outcomesValue) String() string {
	words := make([]string, len(*v))
	for i, o := range *v {
		words[i] = o.String()
	}
	return strings.Join(words, ",")
}

// Type is the placeholder in help.
func (v *outcomesValue) Type() string { return "OUTCOME,..." }

// A choice is a flag that takes one of a few words.
type choice struct {
	value string
	of    []string
}

var _ pflag.Value = (*choice)(nil)

func (c *choice) Set(s string) error {
	for _, word := range c.of {
		if s == word {
			c.value = s
			return nil
		}
	}
	return fmt.Errorf("%q is none of %s", s, strings.Join(c.of, ", "))
}

func (c *choice) String() string { return c.value }

// Type is the placeholder in help.
func (c *choice) Type() string { return strings.Join(c.of, "|") }
