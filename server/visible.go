package server

import (
	"context"

	"tutti/store"
)

// visible says which hosts who asks may see; nil: all. It is the one place where the
// scope of a principal becomes hosts, and each reader is given what it returns.
func (a *API) visible(ctx context.Context) (store.Visible, error) {
	p := principalOf(ctx)
	if len(p.Scopes) == 0 {
		return nil, nil
	}
	sets, err := a.Fleet.Scopes(ctx, p.Scopes)
	if err != nil {
		return nil, err
	}
	return func(host string) bool {
		for _, set := range sets {
			if !set[host] {
				return false
			}
		}
		return true
	}, nil
}
