package keeper

import (
	"errors"
	"fmt"
	"log/slog"

	"tutti/fanout"
)

// handle takes what the keeper says and asks. Whatever may wait has a goroutine of its own,
// of which each stream of an attempt has one at a time: the keeper waits for the answer.
func (e *Executor) handle(m message) error {
	switch m.kind {
	case kindReport:
		return e.report(m)
	case kindStarting, kindOutput, kindInput:
		return e.question(m)
	case kindSign:
		return e.sign(m)
	case kindWarn:
		e.opts.warn(string(m.body))
	case kindBanner:
		var b banner
		if err := m.decode(&b); err != nil {
			return err
		}
		if e.opts.Banner != nil {
			e.opts.Banner(b.Host, b.Text)
		}
	case kindDebug:
		return e.debug(m)
	case kindBye:
		select {
		case <-e.said: // again
		default:
			close(e.said)
		}
	case kindPong:
	default:
		return fmt.Errorf("message %d is not for a caller", m.kind)
	}
	return nil
}

func (e *Executor) report(m message) error {
	var r fanout.Report
	if err := m.decode(&r); err != nil {
		return err
	}
	if at := e.attempt(m.number); at != nil {
		select {
		case at.reported <- r:
		default:
			return fmt.Errorf("attempt %d was reported already", m.number)
		}
	}
	return nil
}

// question answers a question about an attempt.
func (e *Executor) question(m message) error {
	number, body, err := cut(m.body)
	if err != nil {
		return err
	}
	at := e.attempt(number)
	if !at.take() {
		e.link.answer(m.number, nil, errOver)
		return nil
	}
	var request inputRequest
	switch {
	case m.kind == kindOutput && len(body) == 0:
		err = fmt.Errorf("output of attempt %d has no stream", number)
	case m.kind == kindInput:
		err = message{kind: kindInput, body: body}.decode(&request)
	}
	if err != nil {
		at.answers.Done()
		return err
	}
	go func() { // ends before Exec returns, but for a Write that is stuck
		defer at.answers.Done()
		switch m.kind {
		case kindStarting:
			e.link.answer(m.number, nil, at.starting(string(body)))
		case kindOutput:
			e.link.answer(m.number, nil, at.write(body[0], body[1:]))
		case kindInput:
			e.link.answer(m.number, at.input(&request), nil)
		}
	}()
	return nil
}

// sign signs for a login of the keeper.
func (e *Executor) sign(m message) error {
	var r signRequest
	if err := m.decode(&r); err != nil {
		return err
	}
	e.link.wg.Go(func() {
		signature, err := e.lender.Sign(e.ctx, r.Key, r.Data, r.Algorithm)
		e.link.answer(m.number, signature, err)
	})
	return nil
}

// debug logs what the keeper's client has logged.
func (e *Executor) debug(m message) error {
	var line debugLine
	if err := m.decode(&line); err != nil {
		return err
	}
	if len(line.Names) != len(line.Texts) {
		return errors.New("a debug line cannot be read")
	}
	if e.opts.Logger == nil {
		return nil
	}
	attrs := make([]slog.Attr, len(line.Names))
	for i, name := range line.Names {
		attrs[i] = slog.String(name, line.Texts[i])
	}
	e.opts.Logger.LogAttrs(e.ctx, slog.LevelDebug, line.Text, attrs...)
	return nil
}
