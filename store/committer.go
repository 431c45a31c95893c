package store

import (
	"context"
	"slices"
	"time"

	"tutti/fanout"
)

// A committer is the goroutine of a recorder. It takes queued events, makes rows of
// them, and writes these in one transaction. It belongs to that goroutine.
type committer struct {
	ctx     context.Context // of the writes; it outlives the context of the run
	r       *Recorder
	limit   int64
	exit    func(fanout.Summary) int
	hosts   map[int]*hostRecord // by Target.Index, of targets that have not ended
	summary fanout.Summary
	started time.Time // of the run; zero until its first event came
	ended   *fanout.Summary
	facts   facts // for the ledger, once the run has ended
	stored  int64 // bytes of the rows of output on disk

	// The next transaction, and what happens after it.
	pending  bool // there is something to write
	dirty    map[*hostRecord]bool
	output   []*outputRow
	attempts []attemptRow
	fresh    int64    // bytes of output in it
	held     []func() // releases of event data, called after the commit
	acks     []chan error

	batch      Batch     // what is written; reused
	scratch    []byte    // for the output of a row; reused
	last       time.Time // when the last commit ended
	nextCommit time.Time // when the next commit may start
}

// After a commit that several starts waited for, the committer rests for restFactor
// times the duration of that commit, at most maxRest, so that more starts share the
// next one: with many hosts under way commits would otherwise follow one another
// without a break, each of which costs as much processor time as a login. Starts that
// come one by one never wait for a rest.
const (
	restFactor = 4
	maxRest    = 20 * time.Millisecond
)

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
		limit = DefaultRecordLimit
	}
	return &committer{
		ctx:     ctx,
		r:       r,
		limit:   limit,
		exit:    info.ExitCode,
		hosts:   make(map[int]*hostRecord),
		summary: fanout.Summary{Hosts: len(plan.Targets)},
		facts:   facts{selector: plan.Selector, command: plan.Task.Label()},
		dirty:   make(map[*hostRecord]bool),
	}
}

func (c *committer) loop() {
	defer close(c.r.done)
	timer := time.NewTimer(maxDelay)
	defer timer.Stop()
	for {
		c.await(timer)
		batch, closed := c.r.take()
		c.merge(batch)
		if c.pending && (closed || c.due()) {
			c.commit()
		}
		if closed {
			c.end()
			return
		}
	}
}

// await returns when there is something to do, and time to do it.
func (c *committer) await(timer *time.Timer) {
	var old <-chan time.Time
	if c.pending {
		timer.Reset(time.Until(c.last.Add(maxDelay)))
		old = timer.C
	}
	select {
	case <-c.r.now:
	case <-old:
	case <-c.r.some:
		if !c.pending {
			timer.Reset(maxDelay)
		}
		select {
		case <-c.r.now:
		case <-timer.C:
		}
	}
	timer.Reset(time.Until(c.nextCommit))
	select {
	case <-timer.C:
	case <-c.r.closing:
	}
}

// merge adds a batch of entries to the next transaction, and releases the data that
// will not be recorded.
func (c *committer) merge(batch []entry) {
	for _, n := range batch {
		c.pending = true
		recorded := c.apply(n.event)
		c.fresh += recorded
		switch {
		case n.ack != nil:
			c.acks = append(c.acks, n.ack)
		case recorded > 0:
			c.held = append(c.held, n.release)
		case n.release != nil:
			n.release()
		}
	}
}

// due reports whether it is time for a commit: a start waits for it, it has much to
// write, or the last one was maxDelay ago. A host that writes much more than is
// recorded causes no more commits than others.
func (c *committer) due() bool {
	return len(c.acks) > 0 || c.fresh >= maxPending || time.Since(c.last) >= maxDelay
}

// commit makes the merged entries durable, acknowledges the starts, and releases event
// data. After the first failure it writes nothing until the end, and counts output that
// arrives as omitted. It never writes to a run that another process owns by now.
func (c *committer) commit() {
	began := time.Now()
	if c.r.failed() == nil && !c.batch.Taken {
		if err := c.write(); err != nil && !c.batch.Taken {
			c.r.fail(err)
		}
	}
	err := c.r.failed()
	if err != nil || c.batch.Taken {
		c.drop()
	}
	if !c.r.stopOnError {
		err = nil
	}
	if c.batch.Taken {
		c.r.lose(len(c.acks) > 0)
		err = ErrTaken
	}
	for _, release := range c.held {
		release()
	}
	for _, ack := range c.acks {
		ack <- err
	}
	c.last = time.Now()
	if len(c.acks) > 1 {
		c.nextCommit = c.last.Add(min(restFactor*c.last.Sub(began), maxRest))
	}
	clear(c.held) // they refer to large buffers
	c.held, c.acks, c.fresh, c.pending = c.held[:0], c.acks[:0], 0, false
}

// end writes the rest when the recorder is closed. After a failure it tries once more,
// with the results of hosts and without output: the disk may have room for so little.
func (c *committer) end() {
	if c.r.failed() != nil && c.write() != nil {
		return // Close returns the first error
	}
	if c.ended != nil || c.batch.Taken {
		return
	}
	if err := c.r.writer.Interrupt(c.ctx); err != nil {
		c.r.fail(err)
	}
}

// apply merges e, and returns how many bytes of its data will be recorded; the rows
// refer to them.
func (c *committer) apply(e fanout.Event) (recorded int64) {
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
		h.result.Report.Started = true // even if its TargetStarted did not arrive
		stored := h.streams[e.Stream].stored
		c.output = append(c.output, h.write(e.Stream, e.Time, e.Data)...)
		recorded = h.streams[e.Stream].stored - stored
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
		c.facts.add(e.Target, e.Result)
		c.summary.Counts[e.Result.Outcome]++
		delete(c.hosts, e.Target.Index)
	}
	return recorded
}

// finishRun takes over the summary of the event.
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

// write writes the merged entries in one transaction, and forgets them if that
// succeeds.
func (c *committer) write() error {
	for h := range c.dirty {
		c.output = append(c.output, h.gaps()...)
	}
	// Compress before the transaction: other processes wait for the write lock.
	for _, row := range c.output {
		var err error
		if c.scratch, err = row.encode(c.scratch); err != nil {
			return err
		}
	}
	c.fill()
	err := c.r.writer.Write(c.ctx, &c.batch)
	c.batch.empty()
	if err != nil {
		return err
	}
	for h := range c.dirty {
		h.committed()
	}
	clear(c.dirty)
	c.stored += storedBytes(c.output)
	c.output, c.attempts = nil, nil
	return nil
}

// fill makes a batch of the merged entries.
func (c *committer) fill() {
	b := &c.batch
	*b = Batch{
		Marks: len(c.acks) > 0, Attempts: b.Attempts, Output: slices.Grow(b.Output, len(c.output)), Hosts: slices.Grow(b.Hosts, len(c.dirty)),
	}
	for _, a := range c.attempts {
		a.result.OmittedBytes = a.h.omittedOf(a.attempt)
		b.Attempts = append(b.Attempts, AttemptRecord{Host: a.h.name, Attempt: a.attempt, Result: a.result, Hash: a.hash, Delay: a.delay})
	}
	for _, row := range c.output {
		b.Output = append(b.Output, OutputRecord{
			Host: row.h.name, Attempt: row.attempt, Stream: row.stream, Seq: row.seq, At: row.at, Start: row.start, Size: row.bytes(),
			Codec: row.codec, Data: row.encoded, Void: row.void(),
		})
	}
	for h := range c.dirty {
		b.Hosts = append(b.Hosts, h.record())
	}
	b.Run = RunRecord{Started: c.started, Summary: c.summary, Bytes: c.stored + storedBytes(c.output), Finished: c.ended != nil}
	if c.ended == nil {
		return
	}
	if c.exit != nil {
		code := c.exit(*c.ended)
		b.Run.ExitCode, c.facts.exitCode = &code, &code
	}
	ended := c.facts.ended(c.r.id, *c.ended)
	b.Ended = &ended
}

// storedBytes returns the bytes of recorded output in rows, as stored.
func storedBytes(rows []*outputRow) (n int64) {
	for _, row := range rows {
		if data, ok := row.encoded.([]byte); ok {
			n += int64(len(data))
		}
	}
	return n
}

// drop gives up the output that could not be written. Results of hosts stay for end.
func (c *committer) drop() {
	for _, row := range c.output {
		row.drop()
	}
	for h := range c.dirty {
		h.committed()
	}
	c.output = nil
}
