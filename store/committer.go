package store

import (
	"context"
	"slices"
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
	facts   facts // for who waits for the end
	kept    int64 // bytes of the rows of output on disk

	// What the next transaction writes, and what happens after it.
	pending  bool // there is something
	dirty    map[*hostRecord]bool
	output   []*outputRow
	attempts []attemptRow
	fresh    int64    // bytes of output in it
	held     []func() // lets go of these
	marks    []chan error

	batch   Batch     // what is written; kept for its room
	scratch []byte    // for the output of a row; the same
	last    time.Time // when the last commit was over
	rested  time.Time // when the next commit may begin
}

// After a commit that several starts waited for there is a rest of restFactor
// times as long as it took, at most maxRest, in which more of them come together:
// with many hosts under way commits would follow one another without a break, and
// each costs the processor as much as a login. Starts that come one by one never wait
// for that.
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
		c.absorb(batch)
		if c.pending && (closed || c.due()) {
			c.commit()
		}
		if closed {
			c.end()
			return
		}
	}
}

// await returns when there is something to be done, and it is time to.
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
	timer.Reset(time.Until(c.rested))
	select {
	case <-timer.C:
	case <-c.r.closing:
	}
}

// absorb works out what batch changes, and lets go of the data that will not be
// written down.
func (c *committer) absorb(batch []entry) {
	for _, n := range batch {
		c.pending = true
		kept := c.apply(n.event)
		c.fresh += kept
		switch {
		case n.marked != nil:
			c.marks = append(c.marks, n.marked)
		case kept > 0:
			c.held = append(c.held, n.release)
		case n.release != nil:
			n.release()
		}
	}
}

// due reports whether it is time for a commit: somebody waits for it, it is to
// write much, or the last one was a while ago. A host that says much more than is
// recorded causes no more of them than others.
func (c *committer) due() bool {
	return len(c.marks) > 0 || c.fresh >= maxPending || time.Since(c.last) >= maxDelay
}

// commit makes what was absorbed durable, tells those who wait for it, and lets go
// of its data. After the first failure nothing is written any more until the end,
// and output that arrives is counted as omitted; of a run that is another's by now
// nothing is written ever.
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
		c.r.lose(len(c.marks) > 0)
		err = ErrTaken
	}
	for _, release := range c.held {
		release()
	}
	for _, marked := range c.marks {
		marked <- err
	}
	c.last = time.Now()
	if len(c.marks) > 1 {
		c.rested = c.last.Add(min(restFactor*c.last.Sub(began), maxRest))
	}
	clear(c.held) // what they lead to is large
	c.held, c.marks, c.fresh, c.pending = c.held[:0], c.marks[:0], 0, false
}

// end writes what is left when the recorder is closed. After a failure that is
// one more attempt, with how the hosts ended and without the output: the disk
// may have room again for so little.
func (c *committer) end() {
	if c.r.failed() != nil && c.write() != nil {
		return // the first error is the one to tell
	}
	if c.ended != nil || c.batch.Taken {
		return
	}
	if err := c.r.writer.Interrupt(c.ctx); err != nil {
		c.r.fail(err)
	}
}

// apply works out what e changes, and returns how many bytes of its data will be
// written down; the rows refer to them.
func (c *committer) apply(e fanout.Event) (kept int64) {
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
		stored := h.streams[e.Stream].stored
		c.output = append(c.output, h.write(e.Stream, e.Time, e.Data)...)
		kept = h.streams[e.Stream].stored - stored
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
	return kept
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
	c.kept += keptBytes(c.output)
	c.output, c.attempts = nil, nil
	return nil
}

// fill makes a batch of what apply has collected.
func (c *committer) fill() {
	b := &c.batch
	*b = Batch{
		Marks: len(c.marks) > 0, Attempts: b.Attempts, Output: slices.Grow(b.Output, len(c.output)), Hosts: slices.Grow(b.Hosts, len(c.dirty)),
	}
	for _, a := range c.attempts {
		a.result.OmittedBytes = a.h.omittedOf(a.attempt)
		b.Attempts = append(b.Attempts, AttemptRecord{Host: a.h.name, Attempt: a.attempt, Result: a.result, Hash: a.hash, Delay: a.delay})
	}
	for _, row := range c.output {
		b.Output = append(b.Output, OutputRecord{
			Host: row.h.name, Attempt: row.attempt, Stream: row.stream, Seq: row.seq, At: row.at, Start: row.start,
			Codec: row.codec, Data: row.kept, Void: row.void(),
		})
	}
	for h := range c.dirty {
		b.Hosts = append(b.Hosts, h.record())
	}
	b.Run = RunRecord{Started: c.started, Summary: c.summary, Bytes: c.kept + keptBytes(c.output), Finished: c.ended != nil}
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
