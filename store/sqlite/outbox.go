package sqlite

import (
	"context"
	"database/sql"
	"time"

	"tutti/scheduler"
	"tutti/store/tables"
)

// Lease leases due messages; see [scheduler.Outbox].
func (d *Daemon) Lease(ctx context.Context, now, until time.Time, most int) (deliveries []scheduler.Delivery, err error) {
	const due = "SELECT id FROM outbox WHERE due_at <= ?"
	some, err := exists(ctx, d.ledger.r, due, timeText(now))
	if err != nil || !some {
		return nil, d.ledger.fault("read", err)
	}
	err = d.ledger.change(ctx, func(tx *sql.Tx) error {
		ids, err := column[int64](ctx, tx, due+" ORDER BY id LIMIT ?", timeText(now), most)
		if err != nil {
			return err
		}
		for _, id := range ids {
			x, err := takeDelivery(ctx, tx, id, until)
			switch {
			case err != nil:
				return err
			case x.Damaged == nil:
				deliveries = append(deliveries, x.Delivery)
				continue
			}
			if err := tables.DropDamaged(ctx, on(tx), &x, now); err != nil { // it must not block the others
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return deliveries, nil
}

// takeDelivery starts an attempt and counts it now, so that a message that crashes its
// deliverer is not tried for ever.
func takeDelivery(ctx context.Context, tx *sql.Tx, id int64, until time.Time) (tables.Leased, error) {
	return tables.ScanLeased(tx.QueryRowContext(ctx, "UPDATE outbox SET attempts = attempts + 1, due_at = ? WHERE id = ? RETURNING "+tables.LeasedColumns,
		timeText(until), id).Scan)
}

// Delivered records an attempt; see [scheduler.Outbox].
func (d *Daemon) Delivered(ctx context.Context, x scheduler.Delivery, now time.Time, failure error, again time.Time) error {
	return d.ledger.change(ctx, func(tx *sql.Tx) error { return tables.Delivered(ctx, on(tx), &x, now, failure, again) })
}

// Release returns deliveries that were not attempted; see [scheduler.Outbox].
func (d *Daemon) Release(ctx context.Context, ds []scheduler.Delivery, due time.Time) error {
	return d.ledger.change(ctx, func(tx *sql.Tx) error { return tables.Release(ctx, on(tx), ds, due) })
}
