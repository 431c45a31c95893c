package access

// Covers counts the targets that are not in scope. Both are names of hosts from one
// reading of the inventory: those that a scope selects, and those that a plan was
// decided for.
func Covers(scope map[string]bool, targets []string) (outside int) {
	for _, name := range targets {
		if !scope[name] {
			outside++
		}
	}
	return outside
}

// CheckScope is a [*ScopeError] if a target is outside of one of the scopes. Without
// scopes nothing is outside.
func CheckScope(scopes []map[string]bool, targets []string) error {
	outside := 0
	for _, name := range targets {
		for _, scope := range scopes {
			if !scope[name] {
				outside++
				break
			}
		}
	}
	if outside > 0 {
		return &ScopeError{Outside: outside, Hosts: len(targets)}
	}
	return nil
}
