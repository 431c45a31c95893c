package terminal

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Is reports whether w is a terminal.
func Is(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Same reports whether a and b are one terminal.
func Same(a, b io.Writer) bool {
	if !Is(a) || !Is(b) {
		return false
	}
	first, err := a.(*os.File).Stat()
	if err != nil {
		return false
	}
	second, err := b.(*os.File).Stat()
	return err == nil && os.SameFile(first, second)
}

// Null reports whether w is the null device, which drops what is written to it.
func Null(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	written, err := f.Stat()
	if err != nil {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(written, null)
}

// Size is how many columns and rows the terminal w has; 0 if that is not known, or
// it is none.
func Size(w io.Writer) (columns, rows int) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, 0
	}
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return columns, rows
}

// Width is how many columns the terminal w has; 0 if that is not known, or it is
// none.
func Width(w io.Writer) int {
	columns, _ := Size(w)
	return columns
}
