package fault

import "strings"

// Hints are those of err and of what it wraps, outermost first, a line each.
func Hints(err error) []string {
	var out []string
	if h, ok := err.(Hinter); ok && h.Hint() != "" {
		out = strings.Split(h.Hint(), "\n")
	}
	switch e := err.(type) { //nolint:errorlint // the chain is walked here
	case interface{ Unwrap() error }:
		if cause := e.Unwrap(); cause != nil {
			out = append(out, Hints(cause)...)
		}
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			out = append(out, Hints(cause)...)
		}
	}
	return out
}
