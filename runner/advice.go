package runner

import (
	"context"
	"strings"
	"sync"

	"tutti/inventory"
	"tutti/ssh"
)

// advice is how remedies name the hosts of d.
func (l *Launch) advice(ctx context.Context, d *Decision) ssh.Advice {
	a := ssh.Advice{AdHoc: l.Request.Hosts.AdHoc(), Known: l.knownToInventory(ctx)}
	if l.Words != nil {
		a.Selection = l.Words(l.Request, d)
	}
	return a
}

// knownToInventory reports whether the inventory that would have been read if no
// hosts were named has a host or group of a name. It is read when it is asked for
// the first time, and what is wrong with it is of no interest here.
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
		_, err = inv().Select(ctx, sel, inventory.SelectOptions{Refused: true})
		return err == nil
	}
}
