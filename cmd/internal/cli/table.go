package cli

import (
	"io"

	"tutti/internal/terminal"
	"tutti/output"
)

// A Roster is how things, which are forms of JSON, are listed.
type Roster[T any] struct {
	Columns []output.Column
	Row     func(*T) []string
	// None is said where there is nothing to list.
	None string
}

// Write lists items in a table, or as lines of JSON.
func (l *Roster[T]) Write(std Streams, items []T, json bool) error {
	if json {
		return PrintJSON(std.Out, items)
	}
	if len(items) == 0 {
		return std.Say(l.None)
	}
	t := output.NewTable(l.Columns...)
	for i := range items {
		t.Add(l.Row(&items[i])...)
	}
	return t.Write(std.Out, terminal.Width(std.Out))
}

// PrintJSON prints a line of JSON for each form.
func PrintJSON[T any](w io.Writer, forms []T) error {
	for i := range forms {
		if err := output.WriteJSON(w, forms[i]); err != nil {
			return err
		}
	}
	return nil
}

// LeastColumn is how far a column of names is cut in a table, in characters.
const LeastColumn = 12
