package postgres

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// aliveControllers selects those that were heard of in time, or may not have been able to
// extend their lease since the server started.
const aliveControllers = "is_alive(expires_at)"

// Controllers lists the processes that are registered, the oldest first. It ends the
// registrations of those that were not heard of for too long: nothing is accepted of them
// any more.
func (l *Ledger) Controllers(ctx context.Context) ([]scheduler.Controller, error) {
	return l.controllersSeenBy(ctx, true)
}

// Daemons lists those that serve this history.
func (l *Ledger) Daemons(ctx context.Context) ([]scheduler.Controller, error) {
	all, err := l.Controllers(ctx)
	return slices.DeleteFunc(all, func(c scheduler.Controller) bool { return !c.Serves }), err
}

// A seenController is one whose registration may be over.
type seenController struct {
	scheduler.Controller
	over, alive bool
}

// controllersSeenBy is Controllers; who does not judge counts everybody as alive.
func (l *Ledger) controllersSeenBy(ctx context.Context, judges bool) ([]scheduler.Controller, error) {
	seen, err := scanAll(ctx, l.pool, scanController, `
		SELECT id, name, pid, serves, started_at, heard_at, skew_ms, draining, said, "over", `+aliveControllers+" FROM controllers ORDER BY id")
	if err != nil {
		return nil, l.fault("read", err)
	}
	if judges && slices.ContainsFunc(seen, func(c seenController) bool { return !c.alive }) {
		if err := l.bury(ctx); err != nil {
			return nil, err
		}
	}
	var all []scheduler.Controller
	for _, c := range seen {
		if !c.over && (c.alive || !judges) {
			all = append(all, c.Controller)
		}
	}
	return all, nil
}

func scanController(rows pgx.Rows) (c seenController, err error) {
	var started sql.NullString
	var skew int64
	var said string
	if err := rows.Scan(&c.ID, &c.Machine, &c.PID, &c.Serves, &started, &c.Heard, &skew, &c.Draining, &said, &c.over, &c.alive); err != nil {
		return c, err
	}
	c.Skew, c.Said = time.Duration(skew)*time.Millisecond, store.ReadSaid(said)
	c.Started, _ = tables.ParseTime(started) // an unreadable time does not matter
	return c, nil
}

// bury ends the registrations of processes that were not heard of for too long. It waits
// for what is just being written under them. Without the right to write it does nothing:
// then nobody acts on it.
func (h *handle) bury(ctx context.Context) error {
	if h.unwritable != nil {
		return nil
	}
	return h.change(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM controllers WHERE NOT "+aliveControllers)
		return err
	})
}
