package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tutti/fanout"
)

// aPlan is a plan for that many hosts.
func aPlan(hosts int) *fanout.Plan {
	p := &fanout.Plan{Source: "job", Selector: "web", Task: fanout.Task{Action: fanout.Command("uptime")}}
	for i := range hosts {
		p.Targets = append(p.Targets, fanout.Target{Index: i, Name: fmt.Sprintf("web%05d", i)})
	}
	return p
}

// started is the hub of a run on that many hosts, which has started.
func started(tb testing.TB, hubs *Hubs, run int64, hosts int) (*Hub, *fanout.Plan) {
	tb.Helper()
	h, p := newHub(hubs), aPlan(hosts)
	send(tb, h, fanout.Event{Kind: fanout.RunStarted, RunID: run, Plan: p})
	tb.Cleanup(hubs.Close)
	return h, p
}

func send(tb testing.TB, sink fanout.Sink, events ...fanout.Event) {
	tb.Helper()
	for _, e := range events {
		if err := sink.Handle(tb.Context(), e); err != nil {
			tb.Fatal(err)
		}
	}
}

func result(t *fanout.Target, attempt int, o fanout.Outcome, code uint32, sizes [2]int64) *fanout.Result {
	return &fanout.Result{
		Target: *t, Outcome: o, Attempts: attempt, StartedAt: time.Now(), EndedAt: time.Now(), StdoutBytes: sizes[0], StderrBytes: sizes[1],
		Report: fanout.Report{Started: true, OutputComplete: true, Exit: &fanout.Exit{Code: code}, Command: 30 * time.Millisecond},
	}
}

// A picture is what a viewer knows of a run.
type picture struct {
	Version uint64            `json:"version"`
	Counts  map[string]int    `json:"counts"`
	Hosts   []json.RawMessage `json:"hosts"`
	rows    map[int]string
}

func (p *picture) show(tb testing.TB, data []byte) {
	tb.Helper()
	if data == nil {
		return
	}
	p.Counts, p.Hosts = nil, nil
	if err := json.Unmarshal(data, p); err != nil {
		tb.Fatalf("%s: %v", data, err)
	}
	if p.rows == nil {
		p.rows = map[int]string{}
	}
	for _, row := range p.Hosts {
		var index int
		if _, err := fmt.Sscanf(string(row), "[%d", &index); err != nil {
			tb.Fatal(err)
		}
		p.rows[index] = string(row)
	}
}

// catchUp brings p to the present of b, through l.
func (p *picture) catchUp(tb testing.TB, b *board, l *lens, known bool) {
	tb.Helper()
	n := b.since(p.Version, known)
	if n.snapshot != nil {
		p.rows = nil
		p.show(tb, l.snapshot(n.snapshot))
	}
	for _, f := range n.frames {
		p.show(tb, l.show(f))
	}
	p.Version = n.version
}

// Frames are made while something changes and there is a viewer, each tenth of a second,
// and once for all viewers.
func TestFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := started(t, &Hubs{}, 1, 3)
		b := h.board
		connect := func(i, attempt int) {
			send(t, h, fanout.Event{Kind: fanout.TargetConnecting, Target: &p.Targets[i], Attempt: attempt})
		}
		connect(0, 1)
		time.Sleep(time.Minute)
		if b.version != 0 {
			t.Errorf("got version %d without a viewer", b.version)
		}
		b.enter()
		defer b.leave()
		first := b.since(0, false)
		if first.version != 1 || first.snapshot == nil {
			t.Fatalf("got %+v, want a snapshot of what happened before", first)
		}
		began := time.Now()
		connect(1, 1)
		connect(2, 1)
		connect(1, 2)
		synctest.Wait()
		select {
		case <-first.changed:
			t.Error("a frame came at once")
		default:
		}
		<-first.changed
		if took := time.Since(began); took != frameEvery {
			t.Errorf("a frame came after %s, want %s", took, frameEvery)
		}
		a, c := b.since(1, true), b.since(1, true)
		if len(a.frames) != 1 || &a.frames[0].bytes()[0] != &c.frames[0].bytes()[0] {
			t.Error("a frame was made twice")
		}
		want := `{"version":2,"counts":{"waiting":0,"connecting":3,"running":0,"retrying":0,"ok":0,"failed":0,"timeout":0,"lost":0,"unreachable":0,"canceled":0,"skipped":0},"hosts":[[1,"connecting",null,2,0,0],[2,"connecting",null,1,0,0]]}`
		if got := string(a.frames[0].bytes()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		time.Sleep(time.Minute)
		if b.version != 2 {
			t.Errorf("got version %d though nothing changed", b.version)
		}
	})
}

// A cursor that this hub never gave leads to a snapshot.
func TestStrangeCursors(t *testing.T) {
	h, p := started(t, &Hubs{}, 1, 200)
	h.board.enter()
	defer h.board.leave()
	for i := range 200 {
		send(t, h, fanout.Event{Kind: fanout.TargetConnecting, Target: &p.Targets[i], Attempt: 1})
		h.board.flush()
	}
	for _, version := range []uint64{0, 100, 135, 201, 1 << 40, 1<<64 - 1} {
		if n := h.board.since(version, true); n.snapshot == nil || len(n.frames) > 0 {
			t.Errorf("version %d: got %d frames, want a snapshot", version, len(n.frames))
		}
	}
	if n := h.board.since(136, true); n.snapshot != nil || len(n.frames) != 64 {
		t.Errorf("got %d frames, want 64", len(n.frames))
	}
	if n := h.board.since(200, true); n.snapshot != nil || len(n.frames) != 0 {
		t.Errorf("got %d frames, want none", len(n.frames))
	}
	s, again := h.board.since(0, false), h.board.since(1<<40, true)
	if &s.snapshot.bytes()[0] != &again.snapshot.bytes()[0] {
		t.Error("a snapshot was made twice")
	}
}

// Frames that have more changes than a snapshot are not kept.
func TestFramesAreBounded(t *testing.T) {
	h, p := started(t, &Hubs{}, 1, 100)
	for n := range 30 {
		for i := range 100 {
			send(t, h, fanout.Event{Kind: fanout.TargetConnecting, Target: &p.Targets[i], Attempt: n + 1})
		}
		h.board.flush()
		if len(h.board.frames) != 1 || h.board.kept != 100 {
			t.Fatalf("got %d frames with %d changes, want one with 100", len(h.board.frames), h.board.kept)
		}
	}
}

// A world is a run that happens at random.
type world struct {
	h       *Hub
	plan    *fanout.Plan
	attempt []int
	sizes   [][2]int64
	state   []string
}

func (w *world) step(tb testing.TB, rng *rand.Rand) {
	tb.Helper()
	i := rng.IntN(len(w.plan.Targets))
	e := fanout.Event{Target: &w.plan.Targets[i]}
	row := func(state, exit string, ms int) {
		w.state[i] = fmt.Sprintf("[%d,%q,%s,%d,%d,%d]", i, state, exit, w.attempt[i], ms, w.sizes[i][0]+w.sizes[i][1])
	}
	was := w.state[i]
	switch is := func(word string) bool { return bytes.Contains([]byte(was), []byte(word)) }; {
	case is("waiting"), is("retrying"):
		w.attempt[i]++
		w.sizes[i] = [2]int64{}
		e.Kind = fanout.TargetConnecting
		row("connecting", "null", 0)
	case is("connecting"):
		e.Kind = fanout.TargetStarted
		row("running", "null", 0)
	case is("running") && rng.IntN(3) > 0:
		e.Kind, e.Stream, e.Data = fanout.Output, fanout.Stream(rng.IntN(2)), make([]byte, rng.IntN(100))
		w.sizes[i][e.Stream] += int64(len(e.Data))
		row("running", "null", 0)
	case is("running") && rng.IntN(2) > 0:
		e.Kind, e.Result = fanout.TargetRetrying, result(e.Target, w.attempt[i], fanout.Failed, 3, w.sizes[i])
		row("retrying", "3", 30)
	case is("running"):
		e.Kind, e.Result = fanout.TargetFinished, result(e.Target, w.attempt[i], fanout.OK, 0, w.sizes[i])
		row("ok", "0", 30)
	default:
		return
	}
	e.Attempt = w.attempt[i]
	send(tb, w.h, e)
}

// Whatever happens, and however rarely a viewer reads, one that has caught up has the
// present states; it has nothing that it may not see.
func TestViewersCatchUp(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 2))
		hosts := 1 + rng.IntN(60)
		h, p := started(t, &Hubs{}, 1, hosts)
		w := &world{h: h, plan: p, attempt: make([]int, hosts), sizes: make([][2]int64, hosts)}
		for i := range hosts {
			w.state = append(w.state, fmt.Sprintf("[%d,\"waiting\",null,0,0,0]", i))
		}
		h.board.enter()
		viewers := make([]picture, 5)
		seen := make([]bool, 5)
		odd := newLens(h.hosts, func(host string) bool { return host[len(host)-1]%2 == 1 })
		lenses := []*lens{newLens(h.hosts, nil), newLens(h.hosts, nil), newLens(h.hosts, func(string) bool { return true }), odd, newLens(h.hosts, nil)}
		for range 2000 {
			w.step(t, rng)
			if rng.IntN(10) == 0 {
				h.board.flush()
			}
			if i := rng.IntN(40); i < len(viewers)-1 && rng.IntN(1+i*8) == 0 {
				viewers[i].catchUp(t, h.board, lenses[i], seen[i])
				seen[i] = true
			}
		}
		send(t, h, fanout.Event{Kind: fanout.RunFinished, Summary: &fanout.Summary{}})
		for i := range viewers {
			viewers[i].catchUp(t, h.board, lenses[i], seen[i])
			want, counts := map[int]string{}, map[string]int{}
			for n := range hosts {
				at := n
				if lenses[i].index != nil {
					at = int(lenses[i].index[n])
				}
				if at >= 0 {
					var index int
					var rest string
					if _, err := fmt.Sscanf(w.state[n], "[%d,%s", &index, &rest); err != nil {
						t.Fatal(err)
					}
					want[at] = fmt.Sprintf("[%d,%s", at, rest)
					counts[string(bytes.Split([]byte(rest), []byte(`"`))[1])]++
				}
			}
			for at, row := range want {
				if viewers[i].rows[at] != row {
					t.Fatalf("seed %d, viewer %d: got %s, want %s", seed, i, viewers[i].rows[at], row)
				}
			}
			if len(viewers[i].rows) != len(want) {
				t.Fatalf("seed %d, viewer %d: got %d hosts, want %d", seed, i, len(viewers[i].rows), len(want))
			}
			for word, n := range viewers[i].Counts {
				if n != counts[word] {
					t.Fatalf("seed %d, viewer %d: %s: got %d, want %d", seed, i, word, n, counts[word])
				}
			}
		}
		h.board.leave()
	}
}

// A viewer of output gets each byte, or a gap in its place.
func TestRing(t *testing.T) {
	for seed := range uint64(24) {
		rng := rand.New(rand.NewPCG(seed, 3))
		r := newRing(0, 1, [2]int64{})
		var streams [2][]byte
		var seen [2][]byte
		at := r.start()
		read := func() {
			total := 0
			for _, p := range r.read(&at) {
				if p.from != int64(len(seen[p.stream])) {
					t.Fatalf("seed %d: %s continues at %d, want %d", seed, p.stream, p.from, len(seen[p.stream]))
				}
				total += len(p.data)
				if p.data == nil {
					p.data = bytes.Repeat([]byte{0}, int(p.to-p.from))
				}
				seen[p.stream] = append(seen[p.stream], p.data...)
			}
			if total > viewerBytes {
				t.Fatalf("seed %d: got %d bytes at once", seed, total)
			}
		}
		most := []int{20, 3000, 40_000}[seed%3]
		for n := range 300 {
			stream := fanout.Stream(rng.IntN(2))
			data := make([]byte, 1+rng.IntN(most))
			if n == 200 && most > viewerBytes/2 {
				data = make([]byte, 2*ringSize+5)
			}
			for i := range data {
				data[i] = 1 + byte((len(streams[stream])+i)%251)
			}
			streams[stream] = append(streams[stream], data...)
			r.write(1, stream, int64(len(streams[stream])), data)
			if rng.IntN(8) == 0 {
				read()
			}
		}
		read()
		for s := range streams {
			if len(seen[s]) != len(streams[s]) {
				t.Fatalf("seed %d: got %d bytes, want %d", seed, len(seen[s]), len(streams[s]))
			}
			for i, b := range seen[s] {
				if b != 0 && b != streams[s][i] {
					t.Fatalf("seed %d: byte %d is wrong", seed, i)
				}
			}
			if n := len(streams[s]); most == 20 && bytes.Contains(seen[s][:n], []byte{0}) {
				t.Fatalf("seed %d: bytes were left out for nothing", seed)
			}
		}
		again := position{attempt: 1, offsets: at.offsets}
		if left := r.read(&again); len(left) > 0 {
			t.Fatalf("seed %d: got %d pieces for one who has all", seed, len(left))
		}
	}
}

// A new attempt starts its streams at offset 0.
func TestRingOfAttempts(t *testing.T) {
	r := newRing(0, 1, [2]int64{100, 0})
	all, tail := r.start(), r.tail()
	r.write(1, fanout.Stdout, 105, []byte("first"))
	r.begin(2)
	r.write(2, fanout.Stdout, 6, []byte("second"))
	r.write(2, fanout.Stdout, 6, []byte("second")) // which is known
	text := func(pieces []piece) (out []string) {
		for _, p := range pieces {
			if p.data == nil {
				out = append(out, fmt.Sprintf("gap %d %s %d-%d", p.attempt, p.stream, p.from, p.to))
				continue
			}
			out = append(out, fmt.Sprintf("%d %s %d %s", p.attempt, p.stream, p.from, p.data))
		}
		return out
	}
	if got, want := text(r.read(&all)), []string{"gap 1 stdout 0-100", "1 stdout 100 first", "2 stdout 0 second"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := text(r.read(&tail)), []string{"1 stdout 100 first", "2 stdout 0 second"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	ahead := position{attempt: 2, offsets: [2]int64{8, 0}} // of a client of a process that was further
	r.write(2, fanout.Stdout, 7, []byte("7"))
	if got := text(r.read(&ahead)); len(got) > 0 {
		t.Errorf("got %q, want nothing, since it is known", got)
	}
	r.write(2, fanout.Stdout, 9, []byte("89"))
	if got, want := text(r.read(&ahead)), []string{"2 stdout 8 9"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Handle allocates nothing for a host without viewers, whatever happens there.
func TestHandleAllocatesNothing(t *testing.T) {
	h, p := started(t, &Hubs{}, 1, 100)
	for kind := fanout.TargetConnecting; kind <= fanout.TargetFinished; kind++ {
		e := fanout.Event{Kind: kind, Attempt: 1, Data: []byte("text"), Result: result(&p.Targets[0], 1, fanout.Failed, 3, [2]int64{4, 0})}
		i := 0
		if n := testing.AllocsPerRun(1000, func() {
			e.Target = &p.Targets[i%100]
			i++
			send(t, h, e)
		}); n != 0 {
			t.Errorf("event %d: got %v allocations, want 0", kind, n)
		}
	}
}

func BenchmarkHandle(b *testing.B) {
	h, p := started(b, &Hubs{}, 1, 10_000)
	e := fanout.Event{Kind: fanout.Output, Attempt: 1, Data: []byte("text")}
	ctx := b.Context()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e.Target = &p.Targets[i%10_000]
		_ = h.Handle(ctx, e)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	h, _ := started(b, &Hubs{}, 1, 10_000)
	for b.Loop() {
		h.board.snap = nil
		b.SetBytes(int64(len(h.board.since(0, false).snapshot.bytes())))
	}
}

func FuzzCursor(f *testing.F) {
	for _, id := range []string{"", "9f3c-0", "9f3c-57;o:web07:1:8192:0", "x-18446744073709551615;o:a:-1:2:3;o:%:1:1:1", "-;;o:::::"} {
		f.Add(id)
	}
	h, p := started(f, &Hubs{}, 1, 3)
	r := newRing(0, 1, [2]int64{})
	r.write(1, fanout.Stdout, 4, []byte("text"))
	send(f, h, fanout.Event{Kind: fanout.TargetConnecting, Target: &p.Targets[0], Attempt: 1})
	h.board.flush()
	f.Fuzz(func(t *testing.T, id string) {
		c := readCursor(id)
		h.board.since(c.version, true)
		for host, at := range c.outputs {
			again := readCursor(string(at.append([]byte("e-1"), host)))
			if again.outputs[host] != at || again.version != 1 {
				t.Errorf("got %+v, want %+v", again, at)
			}
			r.read(&at)
		}
	})
}
