// Package typed has the values that people type, on the command line and in
// files: each reads itself from a text, writes itself as a text that it reads,
// and names its type. They are what flags are made of.
package typed

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tutti/internal/quantity"
)

// A Value reads and writes itself as text.
type Value interface {
	Set(text string) error
	String() string
	// Type is the name of the kind of value, and in help the placeholder of a
	// flag that has no other.
	Type() string
}

// A Worded value is one of a few words, or a list of them.
type Worded interface {
	Words() (words []string, list bool)
}

var (
	_ Value = (*Text)(nil)
	_ Value = (*List)(nil)
	_ Value = (*Number)(nil)
	_ Value = (*Switch)(nil)
	_ Value = (*Duration)(nil)
	_ Value = (*Size)(nil)
	_ Value = (*Choice)(nil)
)

// A Text is taken as it is.
type Text string

// Set takes any text.
func (v *Text) Set(s string) error {
	*v = Text(s)
	return nil
}

func (v *Text) String() string { return string(*v) }

// Type is that of a text.
func (v *Text) Type() string { return "string" }

// A List has an element for each time that it is set.
type List []string

// Set adds s.
func (v *List) Set(s string) error {
	*v = append(*v, s)
	return nil
}

func (v *List) String() string { return strings.Join(*v, ",") }

// Type is that of a list.
func (v *List) Type() string { return "list" }

// A Number is a whole number.
type Number int

// Set reads a number, in the notations of Go.
func (v *Number) Set(s string) error {
	n, err := strconv.ParseInt(s, 0, strconv.IntSize)
	if err != nil {
		return fmt.Errorf("%q is not a number", s)
	}
	*v = Number(n)
	return nil
}

func (v *Number) String() string { return strconv.Itoa(int(*v)) }

// Type is that of a number.
func (v *Number) Type() string { return "int" }

// A Switch is on or off.
type Switch bool

// Set reads true, false, and what else Go takes for them.
func (v *Switch) Set(s string) error {
	on, err := strconv.ParseBool(s)
	if err != nil {
		return err
	}
	*v = Switch(on)
	return nil
}

func (v *Switch) String() string { return strconv.FormatBool(bool(*v)) }

// Type is that of a switch.
func (v *Switch) Type() string { return "bool" }

// A Duration is written as "90s", "10m", "2h" or "30d", and never less than
// nothing.
type Duration time.Duration

// Set reads a duration.
func (v *Duration) Set(s string) error {
	d, err := quantity.ParseDuration(s)
	*v = Duration(d)
	return err
}

func (v *Duration) String() string {
	if *v == 0 {
		return "0" // which help takes for no default
	}
	return quantity.FormatDuration(time.Duration(*v))
}

// Type is the placeholder in help.
func (v *Duration) Type() string { return "DURATION" }

// A Size is a number of bytes: "4096", "64KiB", "1GiB".
type Size int64

// Set reads a number of bytes.
func (v *Size) Set(s string) error {
	n, err := quantity.ParseSize(s)
	*v = Size(n)
	return err
}

func (v *Size) String() string {
	if *v == 0 {
		return "0" // which help takes for no default
	}
	return quantity.FormatSize(int64(*v))
}

// Type is the placeholder in help.
func (v *Size) Type() string { return "SIZE" }

// A Choice is one of a few words.
type Choice struct {
	Word string
	Of   []string
}

// Set takes one of the words.
func (c *Choice) Set(s string) error {
	word, err := OneOf(s, c.Of)
	if err == nil {
		c.Word = word
	}
	return err
}

// OneOf refuses what is none of words.
func OneOf(s string, words []string) (string, error) {
	for _, word := range words {
		if s == word {
			return s, nil
		}
	}
	return "", fmt.Errorf("%q: want one of %s", s, strings.Join(words, ", "))
}

func (c *Choice) String() string { return c.Word }

// Type is the placeholder in help.
func (c *Choice) Type() string { return strings.Join(c.Of, "|") }

// Words are those to choose from.
func (c *Choice) Words() ([]string, bool) { return c.Of, false }
