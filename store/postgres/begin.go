package postgres

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// Begin numbers a run of plan and writes the run with its hosts; see [store.History]. It
// takes one round trip, which registers the process, too, if no daemon executes the run.
func (h *History) Begin(ctx context.Context, plan fanout.Plan, info store.RunInfo) (*store.Recorder, error) {
	if h.unwritable != nil {
		return nil, h.readOnlyError("record")
	}
	w, err := begin(ctx, h, plan, info)
	if err != nil {
		return nil, h.fault("record", err)
	}
	return store.NewRecorder(ctx, w.claim.Run, plan, info, w), nil
}

// begin writes the rows of a run, and returns its writer.
func begin(ctx context.Context, h *History, plan fanout.Plan, info store.RunInfo) (w *writer, err error) {
	decided, err := store.PlanText(plan, info)
	if err != nil {
		return nil, err
	}
	w = &writer{history: h, marked: make(map[int]int)}
	ctx, cancel := context.WithTimeout(ctx, patience(ctx))
	defer cancel()
	if info.Firing == 0 && info.Claimed.Run == 0 {
		return w, beginAlone(ctx, w, plan, info, decided)
	}
	d, ok := info.Owner.(*Daemon)
	if !ok {
		return nil, store.ErrTaken
	}
	w.recorded = d.record()
	w.controller = d.id
	w.submitted = info.Claimed.Run != 0
	err = h.change(ctx, func(tx pgx.Tx) error {
		if w.submitted {
			w.claim = scheduler.Claim{Run: info.Claimed.Run}
			return beginQueued(ctx, tx, plan, info, decided)
		}
		id, err := insertRun(ctx, tx, store.Running, plan, info, decided, time.Now())
		if err != nil {
			return err
		}
		w.claim = scheduler.Claim{Run: id, Firing: info.Firing, Fence: d.Fence()}
		return d.begin(ctx, tx, info.Firing, id)
	})
	if err != nil {
		w.recorded()
	}
	if run := w.claim.Run; err != nil && run != 0 && !errors.Is(err, store.ErrTaken) {
		h.disownSoon(run, d.id)
	}
	return w, err
}

// The statements that insert a run with its hosts: for a controller that is registered, or
// with its registration.
const (
	runAndHosts = `run AS (
		INSERT INTO runs (source, command, selector, inventory, note, "user", started_at, state, hosts, rerun_of, plan,
			job, job_id, scheduled_at, due_at, by_hand, principal, via, controller)
		SELECT @source, @command, @selector, @inventory, @note, @user, @started_at, @state, @hosts::bigint, @rerun_of::bigint, @plan,
			@job, @job_id::bigint, @scheduled_at, @due_at, @by_hand::boolean, @principal, @via, c.id FROM c
		RETURNING id),
	of AS (
		INSERT INTO hosts (run_id, position, host)
		SELECT run.id, t.position, t.host FROM run, unnest(@positions::bigint[], @names::text[]) AS t (position, host))`
	insertRunOnly    = "WITH c AS (SELECT @controller::bigint AS id), " + runAndHosts + " SELECT run.id FROM run"
	joinAndInsertRun = `WITH c AS (
		INSERT INTO controllers (name, pid, serves, started_at, expires_at)
		VALUES (@machine, @pid, false, @started_at, clock_timestamp() + @lease::interval) RETURNING id), ` +
		runAndHosts + " SELECT run.id, c.id, clock_timestamp() FROM run, c"
)

// insertRun writes the rows of a run and its hosts, and returns its number. One that runs is
// recorded by the daemon that owns it.
func insertRun(ctx context.Context, tx pgx.Tx, state store.State, plan fanout.Plan, info store.RunInfo, decided string, now time.Time) (id int64, err error) {
	args := runArgs(plan, info, state, decided, now)
	if d, ok := info.Owner.(*Daemon); ok && state == store.Running {
		args["controller"] = d.id
	}
	err = tx.QueryRow(ctx, insertRunOnly, args).Scan(&id)
	return id, err
}

// runArgs are the arguments of these statements, without a controller.
func runArgs(plan fanout.Plan, info store.RunInfo, state store.State, decided string, now time.Time) pgx.NamedArgs {
	positions, names := make([]int64, len(plan.Targets)), make([]string, len(plan.Targets))
	for i := range plan.Targets {
		positions[i], names[i] = int64(plan.Targets[i].Index), plan.Targets[i].Name
	}
	return pgx.NamedArgs{
		"source": plan.Source, "command": plan.Task.Label(), "selector": plan.Selector, "inventory": text(info.Inventory),
		"note": text(info.Note), "user": info.User, "started_at": timeText(now), "state": string(state), "hosts": len(plan.Targets),
		"rerun_of": number(info.RerunOf), "plan": decided, "job": text(info.Job), "job_id": number(info.JobID),
		"scheduled_at": timeText(info.ScheduledAt), "due_at": timeText(info.DueAt),
		"by_hand":   plan.Source != "job" && plan.Source != "api" || info.ByHand,
		"principal": text(info.Principal), "via": text(info.Via), "controller": nil,
		"positions": positions, "names": names,
	}
}

// beginAlone begins a run of a process that is no daemon.
func beginAlone(ctx context.Context, w *writer, plan fanout.Plan, info store.RunInfo, decided string) error {
	h, sent := w.history, time.Now()
	args := runArgs(plan, info, store.Running, decided, sent)
	args["machine"], args["pid"], args["lease"] = tables.MachineName(), os.Getpid(), h.terms.lasts
	var server time.Time
	var b pgx.Batch
	b.Queue(joinAndInsertRun, args).QueryRow(func(row pgx.Row) error { return row.Scan(&w.claim.Run, &w.controller, &server) })
	b.Queue(announce)
	if err := h.pool.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	l := newLease(h.handle, w.controller, sent, server)
	l.start()
	w.recorded = func() {
		l.stop()
		h.leave(w.controller)
	}
	return nil
}

// leave deletes a registration. If that fails, it ends by itself.
func (h *handle) leave(controller int64) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	if _, err := h.pool.Exec(ctx, "DELETE FROM controllers WHERE id = $1", controller); err != nil {
		h.options.Logger.Debug("cannot leave the history", "controller", controller, "error", err)
	}
}
