package runner

import (
	"context"
	"strings"
	"sync"

	"tutti/fanout"
	"tutti/inventory"
)

// A Choice is how the hosts of a run were chosen.
type Choice struct {
	Request  *Request
	Decision *Decision
	// Known reports whether the default inventory has a host or group of that name, for
	// runs whose hosts were named without an inventory. Several goroutines may call it
	// at once.
	Known func(name string) bool
}

// hint returns the hint for a cause on a host of d; nil without Launch.Hint.
func (l *Launch) hint(ctx context.Context, d *Decision) func(host string, cause fanout.Cause) string {
	if l.Hint == nil {
		return nil
	}
	by := Choice{Request: l.Request, Decision: d, Known: l.knownToInventory(ctx)}
	return func(host string, cause fanout.Cause) string { return l.Hint(by, host, cause) }
}

// knownToInventory reports whether the default inventory, which a request without named
// hosts would use, has a host or group of a name. It is read on the first call; its
// errors are ignored.
func (l *Launch) knownToInventory(ctx context.Context) func(string) bool {
	ctx = context.WithoutCancel(ctx) // which has ended by the time that a host is not found
	inv := sync.OnceValue(func() *inventory.Inventory {
		r := *l.Request
		r.Hosts.Named = ""
		inv, _, err := l.Env.LoadInventory(ctx, &r, nil)
		if err != nil {
			return nil
		}
		return inv
	})
	return func(name string) bool {
		sel, err := inventory.ParseSelector(name)
		if err != nil || inv() == nil || strings.Contains(name, ":") {
			return false
		}
		_, err = inv().Select(ctx, sel, inventory.SelectOptions{Unusable: true})
		return err == nil
	}
}
