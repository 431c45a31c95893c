package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tutti/fanout"
	"tutti/server/live"
)

// liveLines are about runs that a daemon executes, and clients that follow them.
var liveLines = []spec{
	{"10.4", "wall of a large run that many clients follow, of one that none does", times(1.05), func(ctx context.Context, l *lab) (reading, error) {
		return l.live.slowing(ctx)
	}},
	{"10.5", "from the request to start a run to the first byte at its host", atMost(20, "ms"), func(ctx context.Context, l *lab) (reading, error) {
		return l.live.firstByte(ctx)
	}},
	{"10.6", "live heap and stack for each client that follows a large run", atMost(40, "KiB"), func(ctx context.Context, l *lab) (reading, error) {
		return l.live.perClient(ctx)
	}},
	{"10.7", "telling clients of a live run about an event, of a lock and an addition", times(handleTimes), func(_ context.Context, _ *lab) (reading, error) {
		return handling()
	}},
}

// liveRuns are runs that a daemon of its own executes on the fleet.
type liveRuns struct{ *testbed }

// paced is how a large run goes on for a while that leaves the processors time: so many
// hosts at once, each of which says nothing for so long.
const (
	pacedFanout = 300
	pacedIdle   = "idle 800ms"
)

// start starts a daemon for the first n hosts of the fleet, with a history of its own, and
// tokens for so many clients.
func (r *liveRuns) start(ctx context.Context, inventory, knownHosts string, clients int, more ...string) (_ *daemon, err error) {
	history, err := os.MkdirTemp(r.dir, "live-")
	if err != nil {
		return nil, err
	}
	history = filepath.Join(history, "history.db")
	env := []string{"TUTTI_INVENTORY=" + inventory, "TUTTI_KNOWN_HOSTS=" + knownHosts}
	d, err := r.serve(ctx, history, env, more...)
	if err != nil {
		return nil, err
	}
	d.tokens = filepath.Join(filepath.Dir(history), "tokens")
	var tokens bytes.Buffer
	for i := range (clients + streamsOfToken - 1) / streamsOfToken {
		out := r.path("token")
		token := command{name: "tutti token add", argv: []string{r.tutti, "token", "add", fmt.Sprintf("bench%d", i), "--role", "viewer"}, env: []string{"TUTTI_HISTORY=" + history}, stdout: out}
		if _, err := r.measure(ctx, token); err != nil {
			return nil, errors.Join(err, d.close())
		}
		secret, err := os.ReadFile(out)
		if err != nil {
			return nil, errors.Join(err, d.close())
		}
		tokens.Write(secret)
	}
	if err := os.WriteFile(d.tokens, tokens.Bytes(), 0o600); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// slowing runs a large run without and with clients in turn.
func (r *liveRuns) slowing(ctx context.Context) (_ reading, err error) {
	f := r.near.of(r.many)
	d, err := r.start(ctx, f.inventory(), f.knownHosts(), r.clients)
	if err != nil {
		return reading{}, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	var alone, followed []time.Duration
	for range few(r.repeat) {
		for _, clients := range []int{0, r.clients} {
			took, err := r.paced(ctx, d, clients)
			if err != nil {
				return reading{}, err
			}
			if clients == 0 {
				alone = append(alone, took)
			} else {
				followed = append(followed, took)
			}
		}
	}
	self := func(d time.Duration) time.Duration { return d }
	without, with := median(alone, self), median(followed, self)
	return reading{ratio(with, without), fmt.Sprintf("%.2f s against %.2f s for %d hosts; %d clients in another process, of which %d read nothing",
		with.Seconds(), without.Seconds(), r.many, r.clients, r.clients/5)}, nil
}

// paced is how long a run takes that so many clients follow, of which a fifth reads
// nothing.
func (r *liveRuns) paced(ctx context.Context, d *daemon, clients int) (time.Duration, error) {
	run, err := d.submit(ctx, map[string]any{"selector": "all", "command": pacedIdle, "fanout": pacedFanout})
	if err != nil {
		return 0, err
	}
	if clients == 0 {
		return d.ended(ctx, run)
	}
	silent := clients / 5
	c, err := d.follow(ctx, r.rig, run, 0, clients-silent, silent)
	if err != nil {
		return 0, err
	}
	took, err := d.ended(ctx, run)
	saw, awaitErr := c.await()
	if err := errors.Join(err, awaitErr); err != nil {
		return 0, err
	}
	if saw != clients-silent {
		return 0, fmt.Errorf("%d of %d clients have seen the end of the run", saw, clients-silent)
	}
	return took, nil
}

// perClient compares what is alive for some clients and for twice as many.
func (r *liveRuns) perClient(ctx context.Context) (_ reading, err error) {
	f := r.near.of(r.many)
	path := r.path("live-clients")
	d, err := r.start(ctx, f.inventory(), f.knownHosts(), r.clients, "--pprof", "live="+path)
	if err != nil {
		return reading{}, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	run, err := d.submit(ctx, map[string]any{"selector": "all", "command": "idle 2s", "fanout": 4})
	if err != nil {
		return reading{}, err
	}
	var seen [2]alive
	half := r.clients / 2
	for i := range seen {
		c, followErr := d.follow(ctx, r.rig, run, i*half, half, 0)
		if followErr != nil {
			return reading{}, followErr
		}
		defer func() { err = errors.Join(err, c.close()) }()
		if seen[i], err = settledAfter(ctx, path, half*(i+1)); err != nil {
			return reading{}, err
		}
	}
	if err = d.stop(ctx, run); err != nil {
		return reading{}, err
	}
	kib := func(n int64) float64 { return float64(n) / float64(half) / 1024 }
	heap, stack := kib(seen[1].Heap-seen[0].Heap), kib(seen[1].Stack-seen[0].Stack)
	return reading{heap + stack, fmt.Sprintf("heap %.1f KiB, stack %.1f KiB, between %d and %d clients of a run of %d hosts", heap, stack, half, 2*half, r.many)}, nil
}

// settledAfter is the third thing that was alive from now on, with at least so many
// goroutines: connecting costs memory that does not stay.
func settledAfter(ctx context.Context, path string, goroutines int) (a alive, err error) {
	began, err := os.Stat(path)
	if err != nil {
		return a, err
	}
	for {
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return a, err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return a, err
		}
		lines := strings.Split(string(text[min(int64(len(text)), began.Size()):]), "\n")
		if len(lines) < 5 { // the first may be the rest of one, and the last is empty
			continue
		}
		if err := json.Unmarshal([]byte(lines[3]), &a); err != nil {
			return a, err
		}
		if a.Goroutines < int64(goroutines) {
			return a, fmt.Errorf("%d clients were never connected at once: %d goroutines", goroutines, a.Goroutines)
		}
		return a, nil
	}
}

// firstByte is how long it takes from a request to the first byte that its host gets. The
// host is one of the fleet, behind a listener of this process.
func (r *liveRuns) firstByte(ctx context.Context) (_ reading, err error) {
	door, err := openDoor(ctx, r.near.of(r.hosts))
	if err != nil {
		return reading{}, err
	}
	defer door.close()
	inventory, known := r.path("door.yaml"), r.path("door_known_hosts")
	text := fmt.Sprintf("hosts:\n  door: {address: 127.0.0.1, port: %d, user: bench, identity: %q}\n", door.port, r.near.of(1).key())
	if err := errors.Join(os.WriteFile(inventory, []byte(text), 0o600), os.WriteFile(known, []byte(door.known), 0o600)); err != nil {
		return reading{}, err
	}
	d, err := r.start(ctx, inventory, known, 0)
	if err != nil {
		return reading{}, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	var took []time.Duration
	for range 4 * max(r.repeat, 5) {
		began := time.Now()
		run, err := d.submit(ctx, map[string]any{"selector": "all", "command": shortCommand})
		if err != nil {
			return reading{}, err
		}
		if _, err := d.ended(ctx, run); err != nil {
			return reading{}, err
		}
		select {
		case at := <-door.first:
			took = append(took, at.Sub(began))
		default:
			return reading{}, fmt.Errorf("run %d has not come to its host", run)
		}
	}
	slices.Sort(took)
	return reading{ms(took[len(took)/2]), fmt.Sprintf("over a local socket, on loopback; at worst %.3g ms of %d", ms(took[len(took)-1]), len(took))}, nil
}

// handleTimes is how many times as long as a lock and an addition an event may take.
const handleTimes = 2.5

// handling compares a hub with the least that something can do that others read meanwhile:
// take a lock and add to a place of its own for each host.
func handling() (reading, error) {
	const hosts = 10_000
	plan := &fanout.Plan{Task: fanout.Task{Action: fanout.Command("uptime")}}
	for i := range hosts {
		plan.Targets = append(plan.Targets, fanout.Target{Index: i, Name: hostName(i)})
	}
	var hubs live.Hubs
	defer hubs.Close()
	sink := hubs.Sink()
	ctx := context.Background()
	if err := sink.Handle(ctx, fanout.Event{Kind: fanout.RunStarted, RunID: 1, Plan: plan}); err != nil {
		return reading{}, err
	}
	least := &adder{bytes: make([]int64, hosts)}
	var lows [2]time.Duration
	for range 20 {
		for i, s := range []fanout.Sink{least, sink} {
			if took := timeEvents(ctx, s, plan); lows[i] == 0 || took < lows[i] {
				lows[i] = took // what else goes on here only adds to it
			}
		}
	}
	return reading{ratio(lows[1], lows[0]), fmt.Sprintf("%d ns against %d ns", lows[1].Nanoseconds(), lows[0].Nanoseconds())}, nil
}

// timeEvents is how long s takes for an event.
func timeEvents(ctx context.Context, s fanout.Sink, plan *fanout.Plan) time.Duration {
	const events = 200_000
	e := fanout.Event{Kind: fanout.Output, Attempt: 1, Data: []byte("text")}
	began := time.Now()
	for i := range events {
		e.Target = &plan.Targets[i%len(plan.Targets)]
		_ = s.Handle(ctx, e) // none fails
	}
	return time.Since(began) / events
}

// An adder adds up bytes by host.
type adder struct {
	mu    sync.Mutex // guards bytes
	bytes []int64
}

func (a *adder) Handle(_ context.Context, e fanout.Event) error {
	a.mu.Lock()
	a.bytes[e.Target.Index] += int64(len(e.Data))
	a.mu.Unlock()
	return nil
}

// submit starts a run and returns its number.
func (d *daemon) submit(ctx context.Context, request map[string]any) (int64, error) {
	var run struct {
		Run int64 `json:"run"`
	}
	return run.Run, d.ask(ctx, http.MethodPost, "/runs", request, &run)
}

// stop ends a run.
func (d *daemon) stop(ctx context.Context, run int64) error {
	return d.ask(ctx, http.MethodPost, fmt.Sprintf("/runs/%d/kill", run), nil, nil)
}

// ended waits for the end of a run, and returns how long it took.
func (d *daemon) ended(ctx context.Context, number int64) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		var run struct {
			State    string `json:"state"`
			Duration int64  `json:"duration_ms"`
		}
		if err := d.ask(ctx, http.MethodGet, fmt.Sprintf("/runs/%d", number), nil, &run); err != nil {
			return 0, err
		}
		if run.State == "finished" {
			return time.Duration(run.Duration) * time.Millisecond, nil
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return 0, fmt.Errorf("run %d is %s: %w", number, run.State, err)
		}
	}
}

// ask sends a request and reads its answer, if into is not nil.
func (d *daemon) ask(ctx context.Context, method, path string, body map[string]any, into any) error {
	var sent io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://tutti/api/v1"+path, sent)
	if err != nil {
		return err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := d.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, said)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(said, into)
}
