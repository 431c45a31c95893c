package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tutti/access"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// moveAll makes or refuses moves in two round trips: the first locks the jobs and reads
// what the moves are held against, the second writes. After an error of its own the
// transaction cannot go on.
func (s *states) moveAll(ctx context.Context, tx pgx.Tx, by *Daemon, nonce string, moves []scheduler.Move, done []scheduler.Committed) error {
	if err := tables.CheckOnce(ctx, on(tx)); err != nil {
		return refuseAll(done, err)
	}
	held, err := holdJobs(ctx, tx, by, moves)
	if err != nil {
		return err
	}
	w := &moveWriter{held: held, nonce: nonce}
	var made []*scheduler.Move
	for i := range moves {
		m := &moves[i]
		err := held.refusal(m)
		if err == nil {
			err = w.write(m)
		}
		if err != nil {
			done[i].Err = err
			continue
		}
		done[i].Rev = m.From + 1
		held.take(m)
		made = append(made, m)
	}
	if w.batch.Len() > 0 {
		if err := tx.SendBatch(ctx, &w.batch).Close(); err != nil {
			return err
		}
	}
	return w.finish(ctx, tx, made)
}

// refuseAll refuses moves for an error about their request, if it is one.
func refuseAll(done []scheduler.Committed, err error) error {
	if !errors.As(err, new(*store.ReplayedError)) && !errors.As(err, new(*store.KeyReusedError)) {
		return err
	}
	for i := range done {
		done[i].Err = err
	}
	return nil
}

// heldJobs are the jobs of moves, locked until the end of the transaction.
type heldJobs struct {
	revisions map[int64]scheduler.Revision
	jobs      map[int64]*heldJob
	// numbers are those of firings that exist, and known the scheduled times that have one.
	numbers map[int64]bool
	known   map[knownTime]bool
	// messages are free numbers of the outbox.
	messages []int64
}

// A heldJob is what a move needs of the job as it is.
type heldJob struct {
	version int64
	spec    string
	paused  bool
}

// A knownTime is a scheduled time of a job, as it is stored.
type knownTime struct {
	job int64
	at  string
}

// holdJobs locks the jobs of moves, in the order of their numbers, and reads what decides
// whether they are made. by must be registered until the transaction ends.
func holdJobs(ctx context.Context, tx pgx.Tx, by *Daemon, moves []scheduler.Move) (*heldJobs, error) {
	h := &heldJobs{
		revisions: map[int64]scheduler.Revision{}, jobs: map[int64]*heldJob{}, numbers: map[int64]bool{}, known: map[knownTime]bool{},
	}
	var jobs, numbers, timeJobs []int64
	var times []string
	messages := 0
	for i := range moves {
		m := &moves[i]
		jobs, messages = append(jobs, m.Next.ID), messages+len(tables.Receivers(&m.Next.Notify))*len(m.Messages)
		for _, f := range m.Firings[len(m.Firings)-m.New:] {
			numbers = append(numbers, f.ID)
			if at, ok := tables.Time(f.At).(string); ok {
				timeJobs, times = append(timeJobs, m.Next.ID), append(times, at)
			}
		}
	}
	var b pgx.Batch
	if by != nil {
		by.queueRegistered(&b)
	}
	b.Queue("SELECT job_id, revision FROM job_states WHERE job_id = ANY($1) ORDER BY job_id FOR UPDATE", jobs).Query(eachRow(h.takeRevision))
	b.Queue("SELECT id, version, spec, paused FROM jobs WHERE id = ANY($1)", jobs).Query(eachRow(h.takeJob))
	if len(numbers) > 0 {
		b.Queue("SELECT id FROM firings WHERE id = ANY($1)", numbers).Query(eachRow(h.takeNumber))
		b.Queue("SELECT job_id, scheduled_at FROM firings WHERE (job_id, scheduled_at) IN (SELECT * FROM unnest($1::bigint[], $2::text[]))",
			timeJobs, times).Query(eachRow(h.takeTime))
	}
	if messages > 0 {
		b.Queue("SELECT nextval(pg_get_serial_sequence('outbox', 'id')) FROM generate_series(1, $1)", messages).Query(eachRow(h.takeMessage))
	}
	return h, tx.SendBatch(ctx, &b).Close()
}

func (h *heldJobs) takeRevision(rows pgx.Rows) error {
	var id int64
	var rev scheduler.Revision
	err := rows.Scan(&id, &rev)
	h.revisions[id] = rev
	return err
}

func (h *heldJobs) takeJob(rows pgx.Rows) error {
	var id int64
	var k heldJob
	err := rows.Scan(&id, &k.version, &k.spec, &k.paused)
	h.jobs[id] = &k
	return err
}

func (h *heldJobs) takeNumber(rows pgx.Rows) error {
	var id int64
	err := rows.Scan(&id)
	h.numbers[id] = true
	return err
}

func (h *heldJobs) takeTime(rows pgx.Rows) error {
	var t knownTime
	err := rows.Scan(&t.job, &t.at)
	h.known[t] = true
	return err
}

func (h *heldJobs) takeMessage(rows pgx.Rows) error {
	var id int64
	err := rows.Scan(&id)
	h.messages = append(h.messages, id)
	return err
}

// refusal returns why a move is refused; nil: it is not.
func (h *heldJobs) refusal(m *scheduler.Move) error {
	if rev, ok := h.revisions[m.Next.ID]; !ok || rev != m.From {
		return scheduler.ErrConflict
	}
	fresh := m.Firings[len(m.Firings)-m.New:]
	for i := range fresh {
		if h.numbers[fresh[i].ID] {
			return scheduler.ErrConflict
		}
	}
	for i := range fresh {
		if at, ok := tables.Time(fresh[i].At).(string); ok && h.known[knownTime{m.Next.ID, at}] {
			return scheduler.ErrKnown
		}
	}
	if k := h.jobs[m.Next.ID]; k == nil && !m.Next.Removed && !m.Next.Damaged() {
		return fmt.Errorf("job number %d has a state and does not exist", m.Next.ID)
	}
	return nil
}

// take notes what a move of the same transaction has written.
func (h *heldJobs) take(m *scheduler.Move) {
	h.revisions[m.Next.ID]++
	if m.Next.Removed {
		delete(h.jobs, m.Next.ID)
	}
	if m.Next.Removed && len(m.Next.Open) == 0 {
		delete(h.revisions, m.Next.ID)
	}
	for _, f := range m.Firings[len(m.Firings)-m.New:] {
		h.numbers[f.ID] = true
		if at, ok := tables.Time(f.At).(string); ok {
			h.known[knownTime{m.Next.ID, at}] = true
		}
	}
}

// nextMessage is a free number of the outbox.
func (h *heldJobs) nextMessage() int64 {
	id := h.messages[0]
	h.messages = h.messages[1:]
	return id
}

// finish writes what goes with moves that were made: what a removed job still had to
// send, the audit, and the key of the request.
func (w *moveWriter) finish(ctx context.Context, tx pgx.Tx, made []*scheduler.Move) error {
	for _, m := range w.removed {
		if err := tables.DropMessages(ctx, on(tx), m.Next.ID, scheduler.ReasonRemoved, m.At); err != nil {
			return err
		}
	}
	for _, e := range w.notes {
		if err := tables.Note(ctx, on(tx), e); err != nil {
			return err
		}
	}
	for _, m := range made {
		if err := noteMove(ctx, tx, m); err != nil {
			return err
		}
	}
	return nil
}

// noteMove writes the audit of a move, and the key of its request.
func noteMove(ctx context.Context, tx pgx.Tx, m *scheduler.Move) error {
	outcome := access.Done
	for _, f := range m.Firings[len(m.Firings)-m.New:] {
		switch {
		case f.RequestedBy == "":
		case f.Decision != scheduler.Run && f.Decision != scheduler.Queued:
			outcome = access.Refused
		default:
			if err := tables.KeepOnce(ctx, on(tx), tables.Made{Job: f.JobID, Firing: f.ID}); err != nil {
				return err
			}
		}
	}
	return tables.NoteJob(ctx, on(tx), &m.Next.StoredJob, outcome)
}
