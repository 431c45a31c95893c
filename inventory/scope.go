package inventory

// CheckScope refuses a selector that cannot bound the rights of a user, because it means
// other hosts when a run or a file has changed. The error is a [*ScopeError], or that of
// [ParseSelector].
func CheckScope(selector string) error {
	sel, err := ParseSelector(selector)
	if err != nil {
		return err
	}
	if runs := sel.UsesRuns(); runs || len(sel.Files()) > 0 {
		return &ScopeError{Runs: runs}
	}
	return nil
}

// A ScopeError is a selector that names the hosts of a run, or else those in a file, where
// it bounds rights.
type ScopeError struct{ Runs bool }

func (e *ScopeError) Error() string {
	if e.Runs {
		return "a scope cannot name the hosts of a run"
	}
	return "a scope cannot name a file"
}
