package store

import (
	"context"
	"database/sql"
	"time"

	"tutti/fanout"
)

// A committer is the goroutine behind a recorder. It takes what has been
// queued, works out the rows, and writes them in one transaction. Everything
// in it belongs to that goroutine.
type committer struct {
	ctx     context.Context // of the writes, which outlive the run's
	r       *Recorder
	limit   int64
	exit    func(fanout.Summary) int
	hosts   map[int]*hostRecord // by Target.Index, of targets that have not ended
	summary fanout.Summary
	started time.Time // of the run; zero until its first event came
	ended   *fanout.Summary
	kept    int64 // bytes of the rows of output on disk

	// What the next transaction writes.
	dirty    map[*hostRecord]bool
	output   []*outputRow
	attempts []attemptRow

	args []any // of the statement at hand; kept for its room
}

// An attemptRow is an attempt that another one follows.
type attemptRow struct {
	h       *hostRecord
	attempt int
	result  fanout.Result
	hash    string
	delay   time.Duration
}

func newCommitter(ctx context.Context, r *Recorder, plan fanout.Plan, info RunInfo) *committer {
	limit := info.RecordLimit
	if limit == 0 {
		limit = defaultRecordLimit
	}
	return &committer{
		ctx:     ctx,
		r:       r,
		limit:   limit,
		exit:    info.ExitCode,
		hosts:   make(map[int]*hostRecord),
		summary: fanout.Summary{Hosts: len(plan.Targets)},
		dirty:   make(map[*hostRecord]bool),
	}
}

func (c *committer) loop() {
	defer close(c.r.done)
	delay := time.NewTimer(maxDelay)
	defer delay.Stop()
	for {
		select {
		case <-c.r.now:
		case <-c.r.some:
			delay.Reset(maxDelay)
			select {
			case <-c.r.now:
			case <-delay.C:
			}
		}
		batch, closed := c.r.take()
		if len(batch) > 0 {
			c.commit(batch)
		}
		if closed {
			c.end()
			return
		}
	}
}

// commit makes batch durable, tells those who wait for it, and lets go of its
// data. After the first failure nothing is written any more until the end, and
// output that arrives is counted as omitted.
func (c *committer) commit(batch []entry) {
	for _, n := range batch {
		c.apply(n.event)
	}
	if c.r.failed() == nil {
		if err := c.write(); err != nil {
			c.r.fail(err)
		}
	}
	err := c.r.failed()
	if err != nil {
		c.drop()
	}
	if !c.r.stopOnError {
		err = nil
	}
	for _, n := range batch {
		if n.release != nil {
			n.release()
		}
		if n.marked != nil {
			n.marked <- err
		}
	}
}

// end writes what is left when the recorder is closed. After a failure that is
// one more attempt, with how the hosts ended and without the output: the disk
// may have room again for so little.
func (c *committer) end() {
	if c.r.failed() != nil && c.write() != nil {
		return // the first error is the one to tell
	}
	if c.ended != nil {
		return
	}
	if _, err := c.r.store.interrupt(c.ctx, c.r.id); err != nil {
		c.r.fail(err)
	}
}

// apply works out what e changes.
func (c *committer) apply(e fanout.Event) {
	switch e.Kind {
	case fanout.RunStarted:
		c.started = e.Time
	case fanout.RunFinished:
		c.finishRun(e)
	case fanout.TargetStarted:
		h := c.host(e.Target)
		h.begin(e.Attempt, c.limit)
		h.result.StartedAt = e.Time
		h.result.Report.Started = true
		h.result.Report.Address = e.Address
	case fanout.Output:
		h := c.host(e.Target)
		h.begin(e.Attempt, c.limit)
		h.result.Report.Started = true // whatever was heard of its start
		c.output = append(c.output, h.write(e.Stream, e.Time, e.Data)...)
	case fanout.TargetRetrying:
		h := c.host(e.Target)
		h.begin(e.Attempt, c.limit)
		c.output = append(append(c.output, h.finish(e.Time)...), h.gaps()...)
		c.attempts = append(c.attempts, attemptRow{
			h: h, attempt: e.Attempt, result: *e.Result, hash: h.hash(), delay: e.Delay,
		})
		h.await()
	case fanout.TargetFinished:
		h := c.host(e.Target)
		if e.Result.Attempts > 0 {
			h.begin(e.Result.Attempts, c.limit)
		}
		c.output = append(c.output, h.finish(e.Time)...)
		h.result, h.ended = *e.Result, true
		c.summary.Counts[e.Result.Outcome]++
		delete(c.hosts, e.Target.Index)
	}
}

// finishRun takes the numbers of the run's own summary.
func (c *committer) finishRun(e fanout.Event) {
	s := *e.Summary
	if s.Ended.IsZero() {
		s.Ended = e.Time
	}
	if !s.Started.IsZero() {
		c.started = s.Started
	}
	c.summary, c.ended = s, &s
}

func (c *committer) host(t *fanout.Target) *hostRecord {
	h := c.hosts[t.Index]
	if h == nil {
		h = &hostRecord{index: t.Index, name: t.Name}
		c.hosts[t.Index] = h
	}
	c.dirty[h] = true
	return h
}

// write writes what apply has collected in one transaction, and forgets it if
// that succeeds.
func (c *committer) write() error {
	for h := range c.dirty {
		c.output = append(c.output, h.gaps()...)
	}
	// Compression takes time, and other processes wait for the write lock.
	for _, row := range c.output {
		if err := row.encode(); err != nil {
			return err
		}
	}
	if c.r.store.beforeCommit != nil {
		c.r.store.beforeCommit()
	}
	tx, err := c.r.store.w.BeginTx(c.ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit there is nothing to roll back
	for _, f := range []func(*sql.Tx) error{c.writeAttempts, c.writeOutput, c.writeResults, c.writeRun} {
		if err := f(tx); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	for h := range c.dirty {
		h.committed()
	}
	clear(c.dirty)
	c.kept += keptBytes(c.output)
	c.output, c.attempts = nil, nil
	return nil
}

// keptBytes is what rows of output take.
func keptBytes(rows []*outputRow) (n int64) {
	for _, row := range rows {
		if data, ok := row.kept.([]byte); ok {
			n += int64(len(data))
		}
	}
	return n
}

// drop gives up the output that could not be written. How hosts ended is kept
// for the end.
func (c *committer) drop() {
	for _, row := range c.output {
		row.drop()
	}
	for h := range c.dirty {
		h.committed()
	}
	c.output = nil
}

func (c *committer) writeAttempts(tx *sql.Tx) error {
	if len(c.attempts) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(c.ctx, `
		INSERT OR REPLACE INTO attempts (run_id, host, attempt, delay_ms, `+reportColumns+`)
		VALUES (?, ?, ?, ?, `+placeholders(numReportColumns)+`)`)
	if err != nil {
		return err
	}
	for _, a := range c.attempts {
		a.result.OmittedBytes = a.h.omittedOf(a.attempt)
		c.args = append(c.args[:0], c.r.id, a.h.name, a.attempt, a.delay.Milliseconds())
		c.args = appendReport(c.args, &a.result, true, a.hash)
		if _, err := insert.ExecContext(c.ctx, c.args...); err != nil {
			return err
		}
	}
	return nil
}

func (c *committer) writeOutput(tx *sql.Tx) error {
	if len(c.output) == 0 {
		return nil
	}
	// A gap grows while the run goes on, and one that the tail of the stream
	// filled to its last byte is none.
	insert, err := tx.PrepareContext(c.ctx, `
		INSERT INTO output (run_id, host, attempt, stream, seq, at, codec, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (run_id, host, attempt, seq) DO UPDATE SET data = excluded.data`)
	if err != nil {
		return err
	}
	for _, row := range c.output {
		if row.void() {
			_, err = tx.ExecContext(c.ctx, "DELETE FROM output WHERE run_id = ? AND host = ? AND attempt = ? AND seq = ?",
				c.r.id, row.h.name, row.attempt, row.seq)
		} else {
			_, err = insert.ExecContext(c.ctx, c.r.id, row.h.name, row.attempt, row.stream.String(), row.seq,
				timeText(row.at), row.codec, row.kept)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *committer) writeResults(tx *sql.Tx) error {
	if len(c.dirty) == 0 {
		return nil
	}
	update, err := tx.PrepareContext(c.ctx, `
		UPDATE results SET (attempts, `+reportColumns+`) = (?, `+placeholders(numReportColumns)+`)
		WHERE run_id = ? AND position = ?`)
	if err != nil {
		return err
	}
	for h := range c.dirty {
		c.args = h.appendReport(append(c.args[:0], h.result.Attempts))
		c.args = append(c.args, c.r.id, h.index)
		if _, err := update.ExecContext(c.ctx, c.args...); err != nil {
			return err
		}
	}
	return nil
}

func (c *committer) writeRun(tx *sql.Tx) error {
	s := &c.summary
	args := []any{timeText(c.started), s.Stopped.String(), text(s.SpentBy), s.RemoteCode, c.kept + keptBytes(c.output)}
	for _, o := range fanout.Outcomes() {
		args = append(args, s.Counts[o])
	}
	state, exitCode := Running, any(nil)
	if c.ended != nil {
		state = Finished
		if c.exit != nil {
			exitCode = c.exit(*c.ended)
		}
	}
	_, err := tx.ExecContext(c.ctx, `
		UPDATE runs SET started_at = coalesce(?, started_at), stopped = ?, spent_by = ?, remote_code = ?, recorded_bytes = ?,
			(`+countColumns+`) = (`+placeholders(numCounts)+`), ended_at = ?, state = ?, exit_code = ?
		WHERE id = ?`, append(args, timeText(s.Ended), string(state), exitCode, c.r.id)...)
	return err
}
