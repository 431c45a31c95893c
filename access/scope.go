package access

// CheckScope is a [*ScopeError] if a target is outside of one of the scopes, which are the
// names of the hosts that each of them selects, from the reading of the inventory that the
// targets were decided for. Without scopes all targets are inside.
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
