package tables

import (
	"database/sql"

	"tutti/fanout"
	"tutti/store"
)

// RunColumns are what ScanRun reads.
const RunColumns = `id, source, command, selector, inventory, note, "user", state, exit_code, rerun_of, job, job_id,
	scheduled_at, due_at, kill_by, principal, via, daemon_id, reason, hosts, stopped, spent_by, remote_code, started_at, ended_at, ` + CountColumns

// ScanRun reads a run, and more columns into more.
func ScanRun(rows Rows, more ...any) (store.Run, error) {
	var r store.Run
	var inventory, note, job, scheduled, due, killBy, principal, via, reason, spentBy, started, ended sql.NullString
	var exitCode, rerunOf, jobID, daemon sql.NullInt64
	var stopped string
	fields := []any{
		&r.ID, &r.Source, &r.Command, &r.Selector, &inventory, &note, &r.User, &r.State, &exitCode, &rerunOf, &job, &jobID,
		&scheduled, &due, &killBy, &principal, &via, &daemon, &reason, &r.Summary.Hosts, &stopped, &spentBy, &r.Summary.RemoteCode, &started, &ended,
	}
	for i := range r.Summary.Counts {
		fields = append(fields, &r.Summary.Counts[i])
	}
	err := rows.Scan(append(fields, more...)...)
	if err != nil {
		return r, err
	}
	r.Inventory, r.Note, r.Job, r.RerunOf = inventory.String, note.String, job.String, rerunOf.Int64
	r.Principal, r.Via, r.Daemon, r.Reason = principal.String, via.String, daemon.Int64, reason.String
	r.JobID, r.KillBy, r.Summary.SpentBy = jobID.Int64, killBy.String, spentBy.String
	if exitCode.Valid {
		code := int(exitCode.Int64)
		r.ExitCode = &code
	}
	if r.Summary.Stopped, err = fanout.ParseStopped(stopped); err != nil {
		return r, err
	}
	err = ParseTimes(TimeCell{&r.ScheduledAt, scheduled}, TimeCell{&r.DueAt, due},
		TimeCell{&r.Summary.Started, started}, TimeCell{&r.Summary.Ended, ended})
	return r, err
}
