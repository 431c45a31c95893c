package cmd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"tutti/fanout"
	"tutti/internal/quantity"
)

// A durationValue is a flag that takes "90s", "10m", "2h" or "30d", never less
// than nothing.
type durationValue time.Duration

var _ pflag.Value = (*durationValue)(nil)

func (v *durationValue) Set(s string) error {
	d, err := quantity.ParseDuration(s)
	*v = durationValue(d)
	return err
}

func (v *durationValue) String() string {
	if *v == 0 {
		return "0" // which help takes for no default
	}
	return quantity.FormatDuration(time.Duration(*v))
}

// Type is the placeholder in help.
func (v *durationValue) Type() string { return "DURATION" }

// A sizeValue is a flag that takes a number of bytes: "4096", "64KiB", "1GiB".
type sizeValue int64

var _ pflag.Value = (*sizeValue)(nil)

// Set reads a number of bytes.
func (v *sizeValue) Set(s string) error {
	n, err := quantity.ParseSize(s)
	*v = sizeValue(n)
	return err
}

func (v *sizeValue) String() string {
	if *v == 0 {
		return ""
	}
	return quantity.FormatSize(int64(*v))
}

// Type is the placeholder in help.
func (v *sizeValue) Type() string { return "SIZE" }

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
