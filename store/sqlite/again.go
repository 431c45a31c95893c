package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"tutti/store"
	"tutti/store/tables"
)

// Decided returns how the run was decided. The error is a *NoRunError or an
// *Error.
func (h *History) Decided(ctx context.Context, run int64) (store.Decided, error) {
	var plan, command string
	err := h.r.QueryRowContext(ctx, "SELECT plan, command FROM runs WHERE id = ?", run).Scan(&plan, &command)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Decided{}, h.fault("read", noRun(ctx, h.r, fmt.Sprint(run)))
	}
	if err != nil {
		return store.Decided{}, h.fault("read", err)
	}
	decided, err := store.ReadDecided(plan, command, run)
	return decided, h.fault("read", err)
}

// Results returns the results of the hosts of the run, in the order of its
// plan. Of earlier attempts there is only their number. A run that does not
// exist has none. The error is an *Error.
func (h *History) Results(ctx context.Context, run int64) ([]store.HostResult, error) {
	all, err := results(ctx, h.r, run)
	return all, h.fault("read", err)
}

func results(ctx context.Context, q queryer, run int64) ([]store.HostResult, error) {
	return scanAll(ctx, q, func(rows *sql.Rows) (store.HostResult, error) { return tables.ScanResult(rows) }, `
		SELECT `+tables.ResultColumns+` FROM results WHERE run_id = ? ORDER BY position`, run)
}
