package runner

import (
	"context"
	"errors"

	"tutti/access"
	"tutti/inventory"
)

// Within is an [*access.ScopeError] if a host of the selection is not selected by each
// of the scopes, from the same reading of the inventory. Hosts that are in no inventory
// are in no scope. The error names none of them.
func (s *Selection) Within(ctx context.Context, scopes []string) error {
	if len(scopes) == 0 {
		return nil
	}
	names := make([]string, len(s.Hosts))
	for i, h := range s.Hosts {
		names[i] = h.Name
	}
	sets := make([]map[string]bool, len(scopes))
	for i, scope := range scopes {
		var err error
		if sets[i], err = s.inScope(ctx, scope); err != nil {
			return err
		}
	}
	return access.CheckScope(sets, names)
}

// inScope are the hosts that a scope selects.
func (s *Selection) inScope(ctx context.Context, scope string) (map[string]bool, error) {
	if s.Files == "" { // its hosts were named, and may be any
		return nil, nil
	}
	if in, known := s.scopes[scope]; known {
		return in, nil
	}
	in, err := s.find(ctx, scope)
	if err == nil && s.scopes != nil {
		s.scopes[scope] = in
	}
	return in, err
}

// find looks for the hosts that a scope selects.
func (s *Selection) find(ctx context.Context, scope string) (map[string]bool, error) {
	sel, err := inventory.ParseSelector(scope)
	if err != nil {
		return nil, err
	}
	selected, err := s.From.Select(ctx, sel, inventory.SelectOptions{Unusable: true})
	if errors.As(err, new(*inventory.NoMatchError)) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	in := make(map[string]bool, len(selected.Hosts))
	for _, h := range selected.Hosts {
		in[h.Name] = true
	}
	return in, nil
}
