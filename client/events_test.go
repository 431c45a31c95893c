package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"tutti/fanout"
	"tutti/output"
	"tutti/store"
)

// A heard sink records its events.
type heard struct {
	text  map[string]string // by host, attempt and stream
	steps []string
}

func (h *heard) Handle(_ context.Context, e fanout.Event) error {
	if e.Kind == fanout.Output {
		if h.text == nil {
			h.text = map[string]string{}
		}
		h.text[fmt.Sprintf("%s %d %s", e.Target.Name, e.Attempt, e.Stream)] += string(e.Data) + strings.Repeat("?", int(e.Omitted))
		return nil
	}
	name := ""
	if e.Target != nil {
		name = e.Target.Name
	}
	h.steps = append(h.steps, fmt.Sprintf("%d %s %d", e.Kind, name, e.Attempt))
	return nil
}

// aRun passes a run on n hosts to sink, with output in random pieces.
func aRun(tb testing.TB, n int, rng *rand.Rand, sink fanout.Sink) {
	tb.Helper()
	plan := &fanout.Plan{Source: "cli", Selector: "web", Task: fanout.Task{Action: fanout.Command("x")}}
	for i := range n {
		plan.Targets = append(plan.Targets, fanout.Target{Index: i, Name: fmt.Sprintf("web%02d", i)})
	}
	emit := func(e fanout.Event) {
		e.RunID = 7
		if err := sink.Handle(tb.Context(), e); err != nil {
			tb.Fatal(err)
		}
	}
	emit(fanout.Event{Kind: fanout.RunStarted, Plan: plan})
	s := fanout.Summary{}
	for i := range plan.Targets {
		t := &plan.Targets[i]
		for attempt := 1; attempt <= 2; attempt++ {
			emit(fanout.Event{Kind: fanout.TargetStarted, Target: t, Attempt: attempt})
			for stream := range 2 {
				text := fmt.Sprintf("%d of %s\nline\nend %d\n", attempt, t.Name, stream)
				for len(text) > 0 {
					piece := 1 + rng.IntN(len(text))
					emit(fanout.Event{Kind: fanout.Output, Target: t, Attempt: attempt, Stream: fanout.Stream(stream), Data: []byte(text[:piece])})
					text = text[piece:]
				}
			}
			result := &fanout.Result{Target: *t, Outcome: fanout.Failed, Attempts: attempt, Report: fanout.Report{Started: true, Exit: &fanout.Exit{Code: 1}}}
			if attempt == 1 {
				emit(fanout.Event{Kind: fanout.TargetRetrying, Target: t, Attempt: attempt, Result: result})
				continue
			}
			emit(fanout.Event{Kind: fanout.TargetFinished, Target: t, Attempt: attempt, Result: result})
			s.Add(*result)
		}
	}
	emit(fanout.Event{Kind: fanout.RunFinished, Summary: &s})
}

// lines are the run as a server sends it.
func lines(tb testing.TB, n int, rng *rand.Rand) []byte {
	tb.Helper()
	var b bytes.Buffer
	enc := output.NewSyncJSON(&b, nil)
	aRun(tb, n, rng, enc)
	if err := enc.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// Wherever a stream is lost, and however often, each byte and each step is heard once.
func TestStreamsThatAreLost(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			hosts := 1 + rng.IntN(5)
			var want, got heard
			aRun(t, hosts, rng, &want)
			asked := 0
			c := newClient(t, func(r *http.Request) (*http.Response, error) {
				if !strings.HasSuffix(r.URL.Path, "/events") {
					return reply(200, "application/json", hostsOfRun(hosts)), nil
				}
				asked++
				data := lines(t, hosts, rng)
				answer := reply(200, linesType, "")
				answer.Body = io.NopCloser(bytes.NewReader(data))
				if asked < 5 {
					answer.Body = io.NopCloser(io.MultiReader(bytes.NewReader(data[:rng.IntN(len(data))]), broken{}))
				}
				return answer, nil
			})
			if err := c.History().Follow(t.Context(), 7, store.Filter{}, &got); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) || asked != 5 {
				t.Errorf("seed %d, asked %d times: got\n%v\nwant\n%v", seed, asked, got, want)
			}
		})
	}
}

// hostsOfRun is the list of the hosts of a run.
func hostsOfRun(n int) string {
	var items []string
	for i := range n {
		items = append(items, fmt.Sprintf(`{"host":"web%02d","state":"ended","outcome":"failed"}`, i))
	}
	return `{"items":[` + strings.Join(items, ",") + `]}`
}

// A server that sends no more is given up, and what is no event is refused.
func TestBadStreams(t *testing.T) {
	started := `{"schema":1,"type":"run_started","time":"2027-03-01T12:00:00Z","run":7,"source":"cli","command":"x","selector":"web","hosts":2}` + "\n"
	for _, tt := range []struct{ name, body, want string }{
		{"silence", started, "the events of the run were lost"},
		{"nothing", "", "the events of the run were lost"},
		{"not JSON", "<html>\n", "is not understood"},
		{"another host", started + `{"schema":1,"type":"host_started","host":"evil\u001b[2J","attempt":1}` + "\n", "is not understood"},
		{"a long line", started + strings.Repeat("x", maxLine+1), "is longer than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, func(r *http.Request) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "/events") {
						return reply(200, linesType, tt.body), nil
					}
					return reply(200, "application/json", hostsOfRun(2)), nil
				})
				var got heard
				err := c.History().Follow(t.Context(), 7, store.Filter{}, &got)
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\x1b") {
					t.Errorf("got %v, want %q", err, tt.want)
				}
			})
		})
	}
}

// The error of a sink ends the stream, and is returned as it is.
func TestSinksThatFail(t *testing.T) {
	full := errors.New("no space")
	c := newClient(t, func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			return reply(200, linesType, string(lines(t, 1, rand.New(rand.NewPCG(1, 1))))), nil
		}
		return reply(200, "application/json", hostsOfRun(1)), nil
	})
	err := c.History().Replay(t.Context(), 7, store.Filter{}, fanout.SinkFunc(func(context.Context, fanout.Event) error { return full }))
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

// Of many hosts all events are asked for, and what is about others left out here, as a
// server does it for few.
func TestManyHosts(t *testing.T) {
	const all = 500
	data := lines(t, all, rand.New(rand.NewPCG(1, 1)))
	var names []string
	for i := 1; i < all; i += 2 {
		names = append(names, fmt.Sprintf("web%02d", i))
	}
	c := newClient(t, func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			if r.URL.Query().Has("hosts") {
				t.Errorf("got %s", r.URL)
			}
			return reply(200, linesType, string(data)), nil
		}
		return reply(200, "application/json", hostsOfRun(all)), nil
	})
	var got heard
	var last *fanout.Summary
	var plan *fanout.Plan
	narrow := fanout.SinkFunc(func(ctx context.Context, e fanout.Event) error {
		if e.Plan != nil {
			plan = e.Plan
		}
		if e.Target != nil && plan.Targets[e.Target.Index].Name != e.Target.Name {
			t.Errorf("%s is at place %d", e.Target.Name, e.Target.Index)
		}
		if e.Summary != nil {
			last = e.Summary
		}
		return got.Handle(ctx, e)
	})
	s := &stream{c: c, to: &onward{sink: newNarrowing(names, narrow)}}
	for i := range all {
		s.names = append(s.names, fmt.Sprintf("web%02d", i))
	}
	var err error
	if s.request, err = newRequest(http.MethodGet, "runs", "7", "events"); err != nil {
		t.Fatal(err)
	}
	if err := s.play(t.Context()); err != nil {
		t.Fatal(err)
	}
	if last == nil || last.Hosts != all/2 || last.Counts[fanout.Failed] != all/2 || len(plan.Targets) != all/2 || len(got.text) != all/2*4 {
		t.Errorf("got %+v, %d hosts, %d texts", last, len(plan.Targets), len(got.text))
	}
}
