package runner

import (
	"context"
	"strings"

	"tutti/inventory"
)

// Inventories reads each inventory once, and finds the hosts of each scope in it once, for
// lookups of many jobs that belong together. The zero value is ready to use, by one goroutine.
type Inventories struct {
	read map[string]*readInventory
}

// A readInventory is an inventory, or why it cannot be read.
type readInventory struct {
	inv    *inventory.Inventory
	files  string
	err    error
	scopes map[string]map[string]bool
}

// choose is [Env.Choose] for a lookup that names neither hosts nor an earlier run.
func (i *Inventories) choose(ctx context.Context, env *Env, r *Request, how *Lookup, selector string) (*Selection, error) {
	one := i.of(ctx, env, r)
	if one.err != nil {
		return nil, one.err
	}
	chosen, err := Select(ctx, r, how, one.inv, one.files, selector)
	if err == nil {
		chosen.scopes = one.scopes
	}
	return chosen, err
}

// of is the inventory of a request.
func (i *Inventories) of(ctx context.Context, env *Env, r *Request) *readInventory {
	key := r.Hosts.Named + "\x00" + strings.Join(r.Hosts.Inventory, "\x00")
	one, known := i.read[key]
	if known {
		return one
	}
	one = &readInventory{scopes: map[string]map[string]bool{}}
	one.inv, one.files, one.err = env.LoadInventory(ctx, r, nil)
	if i.read == nil {
		i.read = map[string]*readInventory{}
	}
	i.read[key] = one
	return one
}
