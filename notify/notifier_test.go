package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tutti/scheduler"
)

// An outbox is scheduler.Outbox in memory.
type outbox struct {
	mu      sync.Mutex // guards what follows
	waiting []*waiting
	told    []told
	// twice is how many attempts were made that another daemon had leased.
	twice int
	// returned is how many were given back.
	returned int
	// broken is why it cannot be read.
	broken error
}

type waiting struct {
	scheduler.Delivery
	due time.Time
}

// A told is an attempt as it was recorded.
type told struct {
	id        int64
	at, again time.Time
	err       error
}

var _ scheduler.Outbox = (*outbox)(nil)

// put adds messages of a job called after its receiver.
func (o *outbox) put(webhook string, count int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for range count {
		id := int64(len(o.waiting) + 1)
		o.waiting = append(o.waiting, &waiting{Delivery: scheduler.Delivery{
			ID: id, Notify: scheduler.Notify{Webhook: webhook},
			Message: scheduler.Message{ID: 100 + id, Schema: 1, Type: "failure", Job: "nightly", Time: time.Now()},
		}})
	}
}

func (o *outbox) Lease(_ context.Context, now, until time.Time, most int) ([]scheduler.Delivery, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken != nil {
		return nil, o.broken
	}
	var due []scheduler.Delivery
	for _, w := range o.waiting {
		if w != nil && !w.due.After(now) && len(due) < most {
			w.due = until
			w.Attempt++
			due = append(due, w.Delivery)
		}
	}
	return due, nil
}

func (o *outbox) Delivered(_ context.Context, d scheduler.Delivery, now time.Time, err error, again time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, told{d.ID, now, again, err})
	w := o.waiting[d.ID-1]
	if w == nil || w.Attempt != d.Attempt {
		o.twice++
		return nil
	}
	w.due = again
	if again.IsZero() {
		o.waiting[d.ID-1] = nil
	}
	return nil
}

func (o *outbox) Release(_ context.Context, ds []scheduler.Delivery, due time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range ds {
		if w := o.waiting[d.ID-1]; w != nil && w.Attempt == d.Attempt {
			w.Attempt, w.due = w.Attempt-1, due
			o.returned++
		}
	}
	return nil
}

// of are the attempts at a delivery.
func (o *outbox) of(id int64) []told {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(o.told), func(t told) bool { return t.id != id })
}

// A transport answers requests for webhooks.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// answer is a response without a body.
func answer(r *http.Request, status int) (*http.Response, error) {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// hang answers never.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// notify runs a Notifier in the background until the function is called that it
// returns, which waits for its end.
func notify(tb testing.TB, o *outbox, t transport) (stop func()) {
	tb.Helper()
	return notifyUntil(tb, o, t, nil)
}

// notifyUntil is notify with an end of all patience.
func notifyUntil(tb testing.TB, o *outbox, t transport, hurried context.Context) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		n := Notifier{Outbox: o, Transport: t, ForceStop: hurried}
		n.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func TestNotifierDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		o.put("https://one.example/a", 3)
		stop := notify(t, &o, func(r *http.Request) (*http.Response, error) { return answer(r, 204) })
		synctest.Wait()
		o.put("https://one.example/a", 1)
		time.Sleep(notifyTick)
		synctest.Wait()
		stop()
		for id := int64(1); id <= 4; id++ {
			got := o.of(id)
			if len(got) != 1 || got[0].err != nil || !got[0].again.IsZero() {
				t.Errorf("delivery %d: got %+v, want one attempt that arrived", id, got)
			}
		}
	})
}

func TestNotifierTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		o.put("https://one.example/a", 1)
		tries := 0
		stop := notify(t, &o, func(r *http.Request) (*http.Response, error) {
			if tries++; tries <= 5 {
				return answer(r, 503)
			}
			return answer(r, 200)
		})
		time.Sleep(time.Hour)
		stop()
		got := o.of(1)
		if len(got) != 6 || got[5].err != nil {
			t.Fatalf("got %+v, want five failures and a success", got)
		}
		for i, a := range got[:5] {
			least := time.Second << i
			if wait := a.again.Sub(a.at); wait < least || wait > least*3/2 {
				t.Errorf("after attempt %d it waits %s, want %s and up to a half more", i+1, wait, least)
			}
			if next := got[i+1].at; next.Before(a.again) || next.After(a.again.Add(notifyTick)) {
				t.Errorf("attempt %d is at %s, want %s and up to a second more", i+2, next, a.again)
			}
		}
	})
}

func TestNotifierGivesUpAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		o.put("https://one.example/a", 1)
		began := time.Now()
		stop := notify(t, &o, func(r *http.Request) (*http.Response, error) { return answer(r, 500) })
		time.Sleep(48 * time.Hour)
		stop()
		got := o.of(1)
		last := got[len(got)-1]
		if age := last.at.Sub(began); !last.again.IsZero() || age < webhookAge || age > webhookAge+2*maxDelay {
			t.Errorf("the last of %d attempts was after %s and again at %s, want the end after a day", len(got), age, last.again)
		}
	})
}

// A slow receiver has more messages than the notifier may hold; they take
// nothing from another.
func TestSlowReceiverDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		o.put("https://slow.example/", 2*maxHeld)
		o.put("https://fast.example/", 1)
		began := time.Now()
		slow := make(chan struct{}, 1)
		stop := notify(t, &o, func(r *http.Request) (*http.Response, error) {
			if r.Host == "fast.example" {
				return answer(r, 200)
			}
			select {
			case slow <- struct{}{}:
			default:
				t.Error("a receiver got two at once")
			}
			defer func() { <-slow }()
			return hang(r)
		})
		time.Sleep(10 * time.Minute)
		stop()
		got := o.of(2*maxHeld + 1)
		if len(got) != 1 || got[0].err != nil {
			t.Fatalf("got %+v, want it to arrive", got)
		}
		if wait, most := got[0].at.Sub(began), 2*maxHeld/maxTaken*notifyTick; wait > most {
			t.Errorf("it took %s, want %s at most: what takes the outbox to be read", wait, most)
		}
		if len(o.told) < 50 {
			t.Errorf("the slow one was tried %d times in ten minutes, want some 60", len(o.told)-1)
		}
	})
}

// A leased delivery that could not start in time is left to the daemon that leases
// it next, so that no attempt is made twice.
func TestNotifierKeepsItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		const count = 32
		o.put("https://slow.example/", count)
		tried := map[string]bool{}
		stop := notify(t, &o, func(r *http.Request) (*http.Response, error) {
			tried[r.Header.Get("X-Tutti-Delivery")] = true
			return hang(r)
		})
		time.Sleep(time.Hour)
		stop()
		if len(tried) != count || o.twice > 0 {
			t.Errorf("%d were tried, want all %d; and %d attempts were made twice", len(tried), count, o.twice)
		}
		if o.returned == 0 {
			t.Error("nothing was given back")
		}
		for i, w := range o.waiting {
			if attempts := len(o.of(int64(i + 1))); w.Attempt != attempts {
				t.Errorf("delivery %d: %d attempts are counted, want the %d that were made", i+1, w.Attempt, attempts)
			}
		}
	})
}

func TestNotifierAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		for i := range 3 * maxBusy {
			o.put(fmt.Sprintf("https://host%d.example/", i), 1)
		}
		var mu sync.Mutex
		busy, most := 0, 0
		stop := notify(t, &o, func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			busy++
			most = max(most, busy)
			mu.Unlock()
			defer func() {
				mu.Lock()
				busy--
				mu.Unlock()
			}()
			time.Sleep(time.Second)
			return answer(r, 200)
		})
		time.Sleep(time.Minute)
		stop()
		if most != maxBusy || len(o.told) != 3*maxBusy {
			t.Errorf("%d at once and %d in all, want %d and %d", most, len(o.told), maxBusy, 3*maxBusy)
		}
	})
}

func TestNotifierStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		o.put("https://hangs.example/", 2)
		o.put("https://slow.example/", 1)
		stop := notify(t, &o, func(r *http.Request) (*http.Response, error) {
			if r.Host == "slow.example" {
				time.Sleep(notifyGrace - time.Second)
				return answer(r, 200)
			}
			return hang(r)
		})
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took != notifyGrace {
			t.Errorf("it took %s, want the grace of %s", took, notifyGrace)
		}
		if got := o.of(1); len(got) != 1 || !errors.Is(got[0].err, errStopping) || !got[0].again.Equal(got[0].at) {
			t.Errorf("the one that hangs: got %+v, want it cut off and due again at once", got)
		}
		if got := o.of(2); len(got) != 0 || o.waiting[1].Attempt != 0 || o.waiting[1].due.After(began) {
			t.Errorf("the one that waits: got %+v, want no attempt, and it due at once", got)
		}
		if got := o.of(3); len(got) != 1 || got[0].err != nil {
			t.Errorf("the slow one: got %+v, want it to arrive", got)
		}
	})
}

// A forced stop does not wait for a delivery that hangs.
func TestNotifierHurries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		o.put("https://hangs.example/", 1)
		hurried, hurry := context.WithCancel(t.Context())
		stop := notifyUntil(t, &o, hang, hurried)
		time.Sleep(time.Second)
		hurry()
		time.Sleep(time.Second)
		if got := o.of(1); len(got) != 0 {
			t.Errorf("before the end: got %+v, want it to go on", got)
		}
		began := time.Now()
		stop()
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %s, want no time", took)
		}
		if got := o.of(1); len(got) != 1 || !errors.Is(got[0].err, errStopping) {
			t.Errorf("got %+v, want it cut off", got)
		}
	})
}

// An outbox that cannot be read is no reason to end, nor to fill the log.
func TestNotifierWithoutOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		o := outbox{broken: errors.New("the disk is full")}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			n := Notifier{
				Outbox: &o, Logger: slog.New(slog.NewTextHandler(&log, nil)),
				Transport: transport(func(r *http.Request) (*http.Response, error) { return answer(r, 200) }),
			}
			n.Run(ctx)
		}()
		time.Sleep(time.Minute)
		o.mu.Lock()
		o.broken = nil
		o.mu.Unlock()
		o.put("https://one.example/", 1)
		time.Sleep(time.Minute)
		cancel()
		<-done
		if got := strings.Count(log.String(), "the disk is full"); got != 1 {
			t.Errorf("it was logged %d times, want once:\n%s", got, log.String())
		}
		if got := o.of(1); len(got) != 1 || got[0].err != nil {
			t.Errorf("got %+v, want it to arrive once the outbox works", got)
		}
	})
}

// What did not arrive is in the log without the address, which may be secret.
func TestNotifierLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		o.put("https://one.example/canary?key=canary", 1)
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer w.Close() //nolint:errcheck // a pipe
			n := Notifier{
				Outbox: &o, Logger: slog.New(slog.NewTextHandler(w, nil)),
				Transport: transport(func(r *http.Request) (*http.Response, error) { return answer(r, 404) }),
			}
			n.Run(ctx)
		}()
		line := make([]byte, 4<<10)
		n, err := r.Read(line)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		_, _ = io.Copy(io.Discard, r)
		<-done
		text := string(line[:n])
		for _, want := range []string{"job=nightly", "event=failure", "kind=webhook", "attempt=1", "404 Not Found", "one.example", "given_up=true"} {
			if !strings.Contains(text, want) {
				t.Errorf("the log does not have %s:\n%s", want, text)
			}
		}
		if strings.Contains(text, "canary") {
			t.Errorf("the log has the address:\n%s", text)
		}
	})
}
