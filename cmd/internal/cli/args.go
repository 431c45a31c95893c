package cli

import (
	"time"

	"github.com/spf13/cobra"

	"tutti/internal/fault"
	"tutti/internal/quantity"
)

// NoArgs refuses arguments.
func NoArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fault.Syntaxf("unexpected argument %q", args[0])
	}
	return nil
}

// ParseSince reads the value of --since; the zero time if it is empty.
func ParseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := quantity.ParseSince(text, now.Local())
	if err != nil {
		return at, fault.Syntaxf("--since %w", err)
	}
	return at, nil
}
