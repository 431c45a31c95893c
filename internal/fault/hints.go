package fault

// Hints are those of err and of what it wraps, outermost first, a line each, for
// programs and the readers of files.
func Hints(err error) []string { return Wording{}.Hints(err) }
