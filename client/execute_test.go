package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
)

// A runningServer is a server with one run: its lines come as the test says.
type runningServer struct {
	lines []byte

	mu     sync.Mutex // guards what follows
	asked  int        // how often events were asked for
	stops  []string   // how the run was stopped
	refuse string     // how it is not
	away   bool
	cut    chan struct{} // closed: the connections are
	stop   chan struct{} // closed: the run is over
}

func newRunningServer(tb testing.TB, hosts int) *runningServer {
	tb.Helper()
	return &runningServer{lines: lines(tb, hosts, rand.New(rand.NewPCG(1, 1))), cut: make(chan struct{}), stop: make(chan struct{})}
}

func (s *runningServer) answer(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, syscall.ECONNREFUSED
	}
	if strings.HasSuffix(r.URL.Path, "/kill") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		how := strings.Trim(strings.TrimPrefix(string(body), `{"how":`), `"}`)
		s.stops = append(s.stops, how)
		if how == s.refuse {
			return problem(422, "invalid", ""), nil
		}
		if how == StopEnd {
			select {
			case <-s.stop:
			default:
				close(s.stop)
			}
		}
		return reply(202, "application/json", `{"run":7,"requested_at":"2027-03-01T12:00:00Z","state":"running","hosts":[]}`), nil
	}
	s.asked++
	answer := reply(200, linesType, "")
	half := len(s.lines) / 2
	answer.Body = io.NopCloser(io.MultiReader(bytes.NewReader(s.lines[:half]), &until{r.Context(), s.stop, s.cut}, bytes.NewReader(s.lines[half:])))
	return answer, nil
}

// An until has nothing to read, and ends when something does.
type until struct {
	ctx       context.Context //nolint:containedctx // it is that of a request
	over, cut <-chan struct{}
}

func (u *until) Read([]byte) (int, error) {
	select {
	case <-u.over:
		return 0, io.EOF
	case <-u.cut:
		return 0, io.ErrUnexpectedEOF
	case <-u.ctx.Done():
		return 0, u.ctx.Err()
	}
}

// names are those of the hosts of aRun.
func names(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("web%02d", i))
	}
	return all
}

func (s *runningServer) execution(sink fanout.Sink) *Execution {
	return &Execution{Run: 7, Hosts: names(3), Sink: sink, Grace: 15 * time.Second}
}

// A run is shown to its end, with the summary of its hosts.
func TestExecute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRunningServer(t, 3)
		var want, got heard
		aRun(t, 3, rand.New(rand.NewPCG(1, 1)), &want)
		time.AfterFunc(time.Minute, func() { close(s.stop) })
		sum, err := newClient(t, s.answer).Runner().Execute(t.Context(), s.execution(&got))
		if err != nil || sum.Hosts != 3 || sum.Counts[fanout.Failed] != 3 || fmt.Sprint(got) != fmt.Sprint(want) || s.stops != nil {
			t.Errorf("got %+v, %v, %v\n%v, want\n%v", sum, err, s.stops, got, want)
		}
	})
}

// The first Ctrl-C starts no more hosts, the second stops the commands; their ends are
// still shown.
func TestExecuteIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRunningServer(t, 3)
		ctx, cancel := context.WithCancelCause(t.Context())
		halt := make(chan struct{})
		time.AfterFunc(time.Minute, func() { close(halt) })
		time.AfterFunc(2*time.Minute, func() { cancel(fanout.ErrSignal) })
		x := s.execution(&heard{})
		x.Halt = halt
		s.lines = bytes.Replace(s.lines, []byte(`"stopped":"none"`), []byte(`"stopped":"kill"`), 1)
		sum, err := newClient(t, s.answer).Runner().Execute(ctx, x)
		if err != nil || sum.Hosts != 3 || sum.Stopped != fanout.StoppedSignal || !slices.Equal(s.stops, []string{StopHalt, StopEnd}) {
			t.Errorf("got %+v, %v, %v", sum, err, s.stops)
		}
	})
}

// A refused stop is reported, and the run goes on.
func TestExecuteIsNotStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRunningServer(t, 3)
		s.refuse = StopHalt
		halt := make(chan struct{})
		close(halt)
		x, refused := s.execution(&heard{}), error(nil)
		x.Halt, x.Refused = halt, func(err error) { refused = err }
		time.AfterFunc(time.Minute, func() { close(s.stop) })
		if _, err := newClient(t, s.answer).Runner().Execute(t.Context(), x); err != nil || refused == nil {
			t.Errorf("got %v, %v", err, refused)
		}
	})
}

// A run whose commands do not end is left after the grace, and one whose server is away
// is asked to stop again and again until then.
func TestExecuteLeaves(t *testing.T) {
	for _, away := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newRunningServer(t, 3)
			s.refuse = StopEnd // as if it had no effect
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Minute, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.away = away; away {
					close(s.cut)
				}
				cancel(fanout.ErrSignal)
			})
			began := time.Now()
			_, err := newClient(t, s.answer).Runner().Execute(ctx, s.execution(&heard{}))
			gone, ok := errors.AsType[*GoneError](err)
			if took := time.Since(began); !ok || gone.Run != 7 || took != time.Minute+15*time.Second {
				t.Errorf("away %t: got %v after %s", away, err, took)
			}
		})
	}
}

// A lost connection is reported once, and later events arrive once; a server that
// stays away is given up, and the error says that the run continues.
func TestExecuteLosesTheServer(t *testing.T) {
	for _, back := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newRunningServer(t, 3)
			lost := 0
			var want, got heard
			aRun(t, 3, rand.New(rand.NewPCG(1, 1)), &want)
			x := s.execution(&got)
			x.Lost = func(error) { lost++ }
			time.AfterFunc(time.Minute, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.away = true
				close(s.cut)
			})
			time.AfterFunc(2*time.Minute, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				if back {
					s.away, s.cut = false, make(chan struct{})
					close(s.stop)
				}
			})
			_, err := newClient(t, s.answer).Runner().Execute(t.Context(), x)
			if lost != 1 || (err == nil) != back || back && fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("back %t: got %v, lost %d times,\n%v", back, err, lost, got)
			}
			if err != nil && !strings.Contains(err.Error(), "run 7 continues there") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What cannot be shown here does not go on there.
func TestExecuteWithoutAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRunningServer(t, 3)
		full := errors.New("no space")
		_, err := newClient(t, s.answer).Runner().Execute(t.Context(), s.execution(fanout.SinkFunc(func(context.Context, fanout.Event) error { return full })))
		if !errors.Is(err, full) || !slices.Equal(s.stops, []string{StopEnd}) {
			t.Errorf("got %v, %v", err, s.stops)
		}
	})
}

// A run that waits for its start is reported once.
func TestExecuteWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRunningServer(t, 3)
		all := s.lines
		s.lines = nil // nothing, until the run is over
		waits := 0
		x := s.execution(&heard{})
		x.Waits = func() { waits++ }
		time.AfterFunc(time.Minute, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.lines = all
			close(s.stop)
			close(s.cut)
		})
		if _, err := newClient(t, s.answer).Runner().Execute(t.Context(), x); err != nil || waits != 1 {
			t.Errorf("got %v, told %d times", err, waits)
		}
	})
}
