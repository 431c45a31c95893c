package fleet

import (
	"io"
	"strings"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// session is one session channel.
type session struct {
	conn    *conn
	faults  *Faults // as they were when it was opened
	ch      gossh.Channel
	entry   *entry
	signals chan string
	done    chan struct{} // closed when the channel is gone
	wg      sync.WaitGroup
	started bool           // an exec or shell request was taken
	request *gossh.Request // it

	exitOnce sync.Once
}

// signalBacklog is how many signals wait for a handler; more are dropped, as a
// process that does not run sees one of each at most.
const signalBacklog = 16

// session serves one session channel to its end.
func (c *conn) session(nc gossh.NewChannel, number int, faults *Faults) {
	defer c.use(-1)
	if faults.Window > 0 {
		setWindow(nc, faults.Window)
	}
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	s := &session{
		conn:    c,
		faults:  faults,
		ch:      ch,
		signals: make(chan string, signalBacklog),
		done:    make(chan struct{}),
		entry: &entry{Record: Record{
			Host: c.host.Name, Conn: c.number, Session: number, User: c.ssh.User(),
		}},
	}
	c.fleet.log.addSession(s.entry)
	for r := range reqs {
		s.answer(r)
	}
	close(s.done)
	s.wg.Wait()
	_ = ch.Close() // the client may have closed it
}

// answer answers one channel request. Errors of replies mean that the channel
// is gone, which ends the loop around it.
func (s *session) answer(r *gossh.Request) {
	switch r.Type {
	case "exec", "shell":
		s.exec(r)
	case "subsystem":
		s.subsystem(r)
	case "signal":
		s.signal(r)
	case "pty-req":
		s.note(func() { s.entry.PTY = true })
		_ = r.Reply(s.conn.host.Terminals, nil)
	default:
		_ = r.Reply(false, nil)
	}
}

// exec starts a command.
func (s *session) exec(r *gossh.Request) {
	var payload struct{ Command string }
	if r.Type == "exec" && gossh.Unmarshal(r.Payload, &payload) != nil || s.started {
		_ = r.Reply(false, nil)
		return
	}
	s.started, s.request = true, r
	s.note(func() { s.entry.Command = payload.Command })
	s.conn.wire.exec()
	if s.faults.Stall == StepExec {
		s.faults.strike()
		return
	}
	if s.faults.RejectExec {
		_ = r.Reply(false, nil)
		return
	}
	if !s.faults.LateReply {
		_ = r.Reply(!s.faults.DenyExec, nil)
	}
	s.wg.Go(func() { s.run(s.conn.host.Exec, payload.Command) })
}

// subsystem starts the SFTP server of the host.
func (s *session) subsystem(r *gossh.Request) {
	var payload struct{ Name string }
	if gossh.Unmarshal(r.Payload, &payload) != nil || s.started || payload.Name != "sftp" || s.conn.host.SFTP == nil {
		_ = r.Reply(false, nil)
		return
	}
	s.started, s.request = true, r
	s.note(func() { s.entry.Command = "subsystem " + payload.Name })
	s.conn.wire.exec()
	_ = r.Reply(true, nil)
	s.wg.Go(func() { s.run(s.conn.host.SFTP, "") })
}

// signal passes a signal request on.
func (s *session) signal(r *gossh.Request) {
	var payload struct{ Name string }
	if gossh.Unmarshal(r.Payload, &payload) != nil {
		_ = r.Reply(false, nil)
		return
	}
	name := strings.TrimPrefix(payload.Name, "SIG")
	s.note(func() { s.entry.Signals = append(s.entry.Signals, name) })
	if s.faults.RejectSignals || !s.started {
		_ = r.Reply(false, nil)
		return
	}
	if !s.faults.IgnoreSignals {
		select {
		case s.signals <- name:
		default:
		}
	}
	_ = r.Reply(true, nil)
}

// run carries a command out and ends the session, with the faults in place.
func (s *session) run(by Handler, command string) {
	s.note(func() { s.entry.Started = time.Now() })
	if s.faults.ExitFirst && s.faults.Exit != nil {
		s.sendExit(*s.faults.Exit)
	}
	s.breach(BeforeOutput)
	var storm sync.WaitGroup
	if s.faults.Keepalives > 0 {
		storm.Go(s.storm)
	}
	if len(s.faults.Extended) > 0 {
		_, _ = extended(s.ch, 2).Write(s.faults.Extended)
	}
	out := &stream{s: s, w: s.ch, count: &s.entry.stdout}
	e := by.Run(&Session{
		Host:    s.conn.host.Name,
		User:    s.conn.ssh.User(),
		Command: command,
		Stdin:   s.ch,
		Stdout:  out,
		Stderr:  &stream{s: s, w: s.ch.Stderr(), count: &s.entry.stderr},
		Signals: s.signals,
		Done:    s.done,
		exit:    s.sendExit,
		conn:    s.conn,
	})
	s.note(func() { s.entry.Ended, s.entry.Exit = time.Now(), &e })
	out.flood(s.faults.Flood)
	storm.Wait()
	s.finish(e)
}

// finish says how the command ended and closes the channel.
func (s *session) finish(e Exit) {
	s.sendExit(e)
	if s.faults.HangUp == HangUpAfterExit {
		_ = s.conn.wire.Close()
		return
	}
	if s.faults.Hold > 0 && !wait(s.faults.Hold, s.done) {
		return
	}
	_ = s.ch.CloseWrite()
	if len(s.faults.AfterEOF) > 0 {
		forgetEOF(s.ch)
		_, _ = s.ch.Write(s.faults.AfterEOF)
	}
	s.breach(AfterEOF)
	_ = s.ch.Close()
	s.breach(AfterClose)
	if s.faults.HangUp == HangUpAfterClose {
		_ = s.conn.wire.Close()
	}
}

// sendExit sends the message about the end, once.
func (s *session) sendExit(e Exit) {
	s.exitOnce.Do(func() {
		if s.faults.LateReply {
			_ = s.request.Reply(true, nil) // an error is the channel's end
		}
		if s.faults.NoExit {
			return
		}
		if s.faults.Exit != nil {
			e = *s.faults.Exit
		}
		name, payload := exitMessage(e)
		if s.faults.RawStatus != nil {
			name, payload = "exit-status", s.faults.RawStatus
		}
		_, err := s.ch.SendRequest(name, false, payload)
		s.note(func() { s.entry.Sent = err == nil })
		s.breach(AfterExit)
	})
}

// exitMessage encodes the end of a command.
func exitMessage(e Exit) (name string, payload []byte) {
	if e.Signal == "" {
		return "exit-status", gossh.Marshal(struct{ Code uint32 }{e.Code})
	}
	return "exit-signal", gossh.Marshal(struct {
		Signal string
		Core   bool
		Msg    string
		Lang   string
	}{e.Signal, e.Core, e.Msg, ""})
}

// storm makes requests that want replies.
func (s *session) storm() {
	for range s.faults.Keepalives {
		if _, _, err := s.conn.ssh.SendRequest("keepalive@openssh.com", true, nil); err != nil {
			return
		}
		if _, err := s.ch.SendRequest("keepalive@openssh.com", true, nil); err != nil {
			return
		}
		s.note(func() { s.entry.Requests += 2 })
	}
}

func (s *session) note(change func()) { s.conn.fleet.log.note(change) }

// stream is one direction of output, with its faults.
type stream struct {
	s     *session
	w     io.Writer
	count interface{ Add(int64) int64 }
}

// Write sends p in the packets that the faults ask for.
func (o *stream) Write(p []byte) (int, error) {
	size := o.s.faults.PacketSize
	if size <= 0 {
		size = len(p)
	}
	written := 0
	for written < len(p) {
		if o.s.faults.Drip > 0 && !wait(o.s.faults.Drip, o.s.done) {
			return written, io.ErrClosedPipe
		}
		n, err := o.w.Write(p[written:min(written+size, len(p))])
		o.count.Add(int64(n))
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// flood writes n bytes of text.
func (o *stream) flood(n int64) {
	for n > 0 {
		part := flooding[:min(n, int64(len(flooding)))]
		if _, err := o.Write(part); err != nil {
			return
		}
		if n != Forever {
			n -= int64(len(part))
		}
	}
}
