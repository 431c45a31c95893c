package keeper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"tutti/fanout"
	"tutti/ssh"
)

// errCallerGone ends the commands of a caller that is gone.
var errCallerGone = fmt.Errorf("the process that started it is gone: %w", fanout.ErrKill)

// A session is one caller's run at the keeper.
type session struct {
	link    *link
	client  *ssh.Client
	targets int
	running *atomic.Int64 // attempts of all sessions
	ctx     context.Context
	cancel  context.CancelCauseFunc
	wg      sync.WaitGroup

	mu       sync.Mutex // guards what follows
	attempts map[uint32]context.CancelCauseFunc
	over     bool // no more of them

	bye sync.Once
}

// newSession reads the rest of what the caller sends and prepares its logins.
func (k *Keeper) newSession(ctx context.Context, conn net.Conn, from *bufio.Reader, h *hello) (*session, error) {
	loan := &ssh.Loan{Keys: h.Keys}
	for i := range h.Endpoints + h.Bastions {
		m, err := read(from)
		if err != nil {
			return nil, err
		}
		var lent ssh.LentEndpoint
		if err := m.decode(&lent); err != nil || m.kind != kindEndpoint {
			return nil, errors.Join(errors.New("an endpoint cannot be read"), err)
		}
		if i < h.Endpoints {
			loan.Endpoints = append(loan.Endpoints, lent)
		} else {
			loan.Bastions = append(loan.Bastions, lent)
		}
	}
	s := &session{
		link: newLink(conn, from), targets: h.Endpoints, running: &k.running,
		attempts: map[uint32]context.CancelCauseFunc{},
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	opts := ssh.Options{
		KnownHosts: h.KnownHosts, KillAfter: h.KillAfter, Drain: h.Drain, IdlePool: k.pool,
		Borrowed: &ssh.Borrowed{Loan: loan, Sign: s.sign},
		Banner:   func(host, text string) { _ = s.link.post(kindBanner, 0, encode(banner{host, text})) },
		Warn:     func(text string) { _ = s.link.post(kindWarn, 0, []byte(text)) },
	}
	for i := range loan.Endpoints {
		opts.Endpoints = append(opts.Endpoints, loan.Endpoints[i].Endpoint)
	}
	if h.Debug {
		opts.Logger = slog.New(&debugHandler{link: s.link})
	}
	var err error
	if s.client, err = ssh.New(s.ctx, opts); err != nil {
		s.cancel(nil)
		return nil, err
	}
	return s, nil
}

// run serves the caller until it is gone and nothing of its commands is left.
func (s *session) run() {
	s.link.start(s.handle)
	<-s.link.dead
	s.end()
	s.link.close()
}

// end ends what still runs, and passes its connections on.
func (s *session) end() {
	s.bye.Do(func() {
		s.mu.Lock()
		s.over = true
		s.mu.Unlock()
		s.cancel(errCallerGone)
		s.wg.Wait()
		_ = s.client.Close() // there is nothing left to lose on it
	})
}

// handle takes what the caller sends.
func (s *session) handle(m message) error {
	switch m.kind {
	case kindExec:
		return s.start(m)
	case kindStop:
		s.mu.Lock()
		defer s.mu.Unlock()
		if stop := s.attempts[m.number]; stop != nil {
			stop(decodeCause(m.body))
		}
	case kindRelease:
		s.client.Release(fanout.Target{Index: int(m.number)})
	case kindPing:
		return s.link.post(kindPong, 0, nil)
	case kindBye:
		go func() { // ends with the attempts, which are waited for
			s.end()
			_ = s.link.post(kindBye, 0, nil)
		}()
	default:
		return fmt.Errorf("message %d is not for a keeper", m.kind)
	}
	return nil
}

// start begins an attempt.
func (s *session) start(m message) error {
	var o order
	if err := m.decode(&o); err != nil {
		return err
	}
	if o.Endpoint < 0 || o.Endpoint >= s.targets {
		return fmt.Errorf("there is no endpoint %d", o.Endpoint)
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.attempts[m.number]; known || s.over {
		cancel(nil)
		return fmt.Errorf("attempt %d comes twice, or after the last", m.number)
	}
	s.attempts[m.number] = cancel
	s.running.Add(1)
	s.wg.Go(func() {
		report := s.attempt(ctx, m.number, &o)
		s.running.Add(-1)
		s.mu.Lock()
		delete(s.attempts, m.number)
		s.mu.Unlock()
		cancel(nil)
		_ = s.link.post(kindReport, m.number, encode(report)) // without a link there is no caller
	})
	return nil
}

// attempt is the attempt of that number.
func (s *session) attempt(ctx context.Context, number uint32, o *order) fanout.Report {
	attempt := numbered(number)
	task := o.Task
	if o.Stdin {
		task.Stdin = &input{link: s.link, attempt: attempt}
	}
	if script, ok := task.Action.(*fanout.Script); ok {
		script.Source = &input{link: s.link, attempt: attempt, script: true}
	}
	a := fanout.Attempt{
		RunID: o.RunID, N: int(o.N),
		Target: fanout.Target{Index: o.Endpoint, Name: o.Name, Limits: o.Limits},
		Starting: func(ctx context.Context, address string) error {
			_, err := s.link.ask(ctx, kindStarting, attempt, []byte(address))
			return err
		},
	}
	return s.client.Exec(ctx, a, task, &outWriter{s.link, attempt, fanout.Stdout}, &outWriter{s.link, attempt, fanout.Stderr})
}

// sign asks the caller for a signature.
func (s *session) sign(ctx context.Context, i int, data []byte, algorithm string) ([]byte, error) {
	return s.link.ask(ctx, kindSign, encode(signRequest{i, algorithm, data}))
}

// An outWriter is an output of a command, which the caller writes.
type outWriter struct {
	link    *link
	attempt []byte
	stream  fanout.Stream
}

// Write returns when the caller has written p, so that time does not count that the
// caller's writer takes.
func (w *outWriter) Write(p []byte) (int, error) {
	if _, err := w.link.ask(context.Background(), kindOutput, w.attempt, []byte{byte(w.stream)}, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// A debugHandler passes on what the client logs.
type debugHandler struct {
	link  *link
	attrs []slog.Attr
}

func (h *debugHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *debugHandler) Handle(_ context.Context, r slog.Record) error {
	line := debugLine{Text: r.Message}
	add := func(a slog.Attr) bool {
		line.Names, line.Texts = append(line.Names, a.Key), append(line.Texts, a.Value.String())
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	return h.link.post(kindDebug, 0, encode(line))
}

func (h *debugHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &debugHandler{h.link, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

func (h *debugHandler) WithGroup(string) slog.Handler { return h }
