// Package shell is the file system of a host as the programs that every Unix system has
// show it: the way to hosts without SFTP, and to files of other users by sudo. One shell
// per host reads requests from its standard input and answers them one by one.
package shell

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"tutti/fanout"
	"tutti/transfer"
)

//go:embed agent.sh
var agentText string

// maxAnswer is how long an answer may be that is kept as a whole, in bytes.
const maxAnswer = 64 << 20

// startTime is how long a shell may take until it reads requests.
const startTime = 10 * time.Second

// An agent is the shell on the host. It answers one request at a time.
type agent struct {
	mark    string
	in      *io.PipeWriter
	out     *output
	turn    chan struct{} // held by who asks
	stop    context.CancelFunc
	over    chan struct{}  // closed when the shell has ended
	report  *fanout.Report // set then
	said    words
	working sync.WaitGroup
}

// start starts the shell, and returns once it is ready.
func start(ctx context.Context, host fanout.Sessions, sudo *fanout.Sudo) (*agent, error) {
	from, in := io.Pipe()
	running, stop := context.WithCancel(ctx)
	a := &agent{mark: rand.Text(), in: in, out: newOutput(), turn: make(chan struct{}, 1), stop: stop, over: make(chan struct{})}
	program := fanout.Program{Text: "mark=" + a.mark + "\n" + agentText, Stdin: stdin{from}, Sudo: sudo}
	answer := a.out.listen()
	a.working.Go(func() {
		report := host.Run(running, program, a.out, &a.said)
		a.report = &report
		close(a.over)
		_ = from.CloseWithError(errEnded) // a request that comes now has no answer
		a.out.end()
	})
	// Not only a shell may be there: what serves SFTP to whatever is asked for ends with
	// the first line, and what says nothing is not waited for. sudo may have to wait for
	// the password of another host.
	a.working.Go(func() { _, _ = io.WriteString(in, "hello\n") }) // an error is the shell's end
	if sudo == nil {
		t := time.AfterFunc(startTime, func() { _ = in.Close() })
		defer t.Stop()
	}
	_, err := scan(answer, "\n"+a.mark+" ready\n", io.Discard)
	a.out.deaf(answer)
	if err == nil {
		return a, nil
	}
	_ = a.close() // it has failed already
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, a.broken()
}

var errEnded = errors.New("the shell has ended")

// close ends the shell and waits for it.
func (a *agent) close() error {
	_ = a.in.Close() // never fails
	a.working.Wait()
	a.stop()
	return nil
}

// broken explains a shell that has ended.
func (a *agent) broken() error {
	<-a.over
	if f := a.report.Failure; f != nil {
		return &transfer.BrokenError{Failure: f}
	}
	if said := a.said.String(); said != "" {
		return &transfer.BrokenError{Err: errors.New(said)}
	}
	return &transfer.BrokenError{Err: errEnded}
}

// ask sends request, and content after it, and writes what the shell says to answer. It
// returns the exit status.
func (a *agent) ask(ctx context.Context, request string, content io.Reader, answer io.Writer) (code int, err error) {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	from := a.out.listen()
	defer a.out.deaf(from)
	sent := make(chan error, 1)
	go func() { sent <- a.send(request, content) }()
	code, err = a.hear(from, answer)
	if err != nil {
		_ = a.in.CloseWithError(errEnded) // half a request must not look like a whole one
	}
	sendErr := <-sent
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case sendErr != nil && !errors.Is(sendErr, errEnded) && !errors.Is(sendErr, io.ErrClosedPipe):
		return 0, sendErr
	case errors.Is(err, errEnded):
		return 0, a.broken()
	}
	return code, err
}

// send writes a request. A content that fails on the way ends the shell, which throws
// away what it has of it.
func (a *agent) send(request string, content io.Reader) error {
	if _, err := io.WriteString(a.in, octal(request)+"\n"); err != nil || content == nil {
		return err
	}
	if _, err := io.Copy(a.in, content); err != nil {
		_ = a.in.CloseWithError(err) // never fails
		return err
	}
	return nil
}

// hear reads the answer to a request.
func (a *agent) hear(from io.Reader, answer io.Writer) (code int, err error) {
	rest, err := scan(from, "\n"+a.mark+" begin\n", io.Discard)
	if err != nil {
		return 0, err
	}
	from = io.MultiReader(bytes.NewReader(rest), from)
	if rest, err = scan(from, "\n"+a.mark+" end ", answer); err != nil {
		return 0, err
	}
	from = io.MultiReader(bytes.NewReader(rest), from)
	var line strings.Builder
	if _, err := scan(io.LimitReader(from, 8), "\n", &line); err != nil {
		return 0, &transfer.BrokenError{Err: errors.New("a malformed answer")}
	}
	if code, err = strconv.Atoi(line.String()); err != nil {
		return 0, &transfer.BrokenError{Err: fmt.Errorf("a malformed answer: %w", err)}
	}
	return code, nil
}

// scan copies from to w until word, and returns what it has read behind it.
func scan(from io.Reader, word string, w io.Writer) (rest []byte, err error) {
	buf := make([]byte, 0, 64<<10)
	for {
		n, readErr := from.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if i := bytes.Index(buf, []byte(word)); i >= 0 {
			_, err := w.Write(buf[:i])
			return bytes.Clone(buf[i+len(word):]), err
		}
		if keep := min(len(buf), len(word)-1); len(buf) > keep {
			if _, err := w.Write(buf[:len(buf)-keep]); err != nil {
				return nil, err
			}
			buf = append(buf[:0], buf[len(buf)-keep:]...)
		}
		if readErr != nil {
			return nil, errEnded
		}
	}
}

// stdin is what the shell reads.
type stdin struct{ from *io.PipeReader }

// Open returns it, once.
func (s stdin) Open(ctx context.Context) io.Reader {
	context.AfterFunc(ctx, func() { _ = s.from.CloseWithError(errEnded) })
	return s.from
}

// Close ends it.
func (s stdin) Close() error { return s.from.Close() }
