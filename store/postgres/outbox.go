package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/scheduler"
	"tutti/store/tables"
)

// Lease leases due messages; see [scheduler.Outbox]. An attempt is counted when it
// starts, so that a message that crashes its deliverer is not tried for ever. Messages
// that another process is just leasing are passed over.
func (d *Daemon) Lease(ctx context.Context, now, until time.Time, most int) (deliveries []scheduler.Delivery, err error) {
	const due = "SELECT id FROM outbox WHERE due_at <= $1"
	some, err := exists(ctx, d.ledger.pool, due, tables.Time(now))
	if err != nil || !some {
		return nil, d.ledger.fault("read", err)
	}
	err = d.ledger.change(ctx, func(tx pgx.Tx) error {
		scan := func(rows pgx.Rows) (tables.Leased, error) { return tables.ScanLeased(rows.Scan) }
		leased, err := scanAll(ctx, tx, scan, `
			UPDATE outbox SET attempts = attempts + 1, due_at = $2
			WHERE id IN (`+due+" ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING "+tables.LeasedColumns,
			tables.Time(now), tables.Time(until), most)
		if err != nil {
			return err
		}
		deliveries = nil
		for i := range leased {
			x := &leased[i]
			if x.Damaged == nil {
				deliveries = append(deliveries, x.Delivery)
				continue
			}
			if err := tables.DropDamaged(ctx, on(tx), x, now); err != nil { // it must not block the others
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(deliveries, func(a, b scheduler.Delivery) int { return cmp.Compare(a.ID, b.ID) })
	return deliveries, nil
}

// Delivered records an attempt; see [scheduler.Outbox].
func (d *Daemon) Delivered(ctx context.Context, x scheduler.Delivery, now time.Time, failure error, again time.Time) error {
	return d.ledger.change(ctx, func(tx pgx.Tx) error { return tables.Delivered(ctx, on(tx), &x, now, failure, again) })
}

// Release returns deliveries that were not attempted; see [scheduler.Outbox].
func (d *Daemon) Release(ctx context.Context, ds []scheduler.Delivery, due time.Time) error {
	return d.ledger.change(ctx, func(tx pgx.Tx) error { return tables.Release(ctx, on(tx), ds, due) })
}
