package nemesis

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

var (
	wantFirings = flag.Int64("firings", 100, "how many scheduled times are decided one by one at least")
	seed        = flag.Uint64("seed", 0, "what moves and moments are drawn from; 0: the clock")
)

const (
	// daemons is how many serve the history at once.
	daemons = 3
	// patience bounds what must happen at some time; nothing waits for it to
	// pass.
	patience = 2 * time.Minute
	// restless is the job whose schedule is changed again and again.
	restless = "restless"
	// maxBlame is how many mistakes are reported.
	maxBlame = 20
)

func TestMain(m *testing.M) {
	if os.Getenv(clockEnv) != "" {
		os.Exit(childMain())
	}
	os.Exit(m.Run())
}

// A nemesis is the test, and what it has done.
type nemesis struct {
	t       *testing.T
	world   *world
	history store.Store
	daemons []*daemon
	jobs    []kept
	rng     *rand.Rand
	moves   []move
	made    map[string]int // moves, by name
	halves  []func() error // of moves, see undoing
}

// TestNemesis: whatever happens to daemons, a host is sent a command once for each
// scheduled time, the history knows of it, and no scheduled time vanishes.
func TestNemesis(t *testing.T) { test(t, file) }

// TestNemesisOnServer is TestNemesis for daemons that share a database, whatever happens to
// it and to the ways to it.
func TestNemesisOnServer(t *testing.T) { test(t, server) }

func test(t *testing.T, at func(*testing.T, string) *place) {
	from := *seed
	if from == 0 {
		from = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", from)
	n := newNemesis(t, from, at)
	n.attack()
	n.relent()
	e := n.gather()
	faults := e.judge()
	for _, fault := range faults[:min(len(faults), maxBlame)] {
		t.Error(fault)
	}
	if more := len(faults) - maxBlame; more > 0 {
		t.Errorf("and %d more", more)
	}
	t.Log(n.summary(e))
}

func newNemesis(t *testing.T, from uint64, at func(*testing.T, string) *place) *nemesis {
	w := newWorld(t, at)
	history, err := w.place.open(t)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = history.Close() }) // what was written is written
	n := &nemesis{
		t: t, world: w, history: history, daemons: newDaemons(daemons, w.dir),
		rng: rand.New(rand.NewPCG(from, 0)), made: map[string]int{}, moves: append(slices.Clone(moves), w.place.moves...),
	}
	n.addJobs()
	for _, d := range n.daemons {
		n.must(d.start(t.Context(), w))
	}
	t.Cleanup(func() {
		for _, d := range n.daemons {
			_ = d.cmd.Process.Kill() // it has mostly ended
		}
		n.checkLogs()
	})
	return n
}

func (n *nemesis) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// addJobs adds one of each kind.
func (n *nemesis) addJobs() {
	add := func(name, schedule string, most int, how func(*scheduler.Job)) {
		j := scheduler.NewJob(name, "UTC")
		j.Schedules, j.Seconds, j.Grace = []string{schedule}, true, 10*time.Second
		j.Selector, j.Inventory, j.Command, j.TuttiEnv = "all", []string{n.world.inventory}, fmt.Sprintf("work %d", most), true
		j.Options["known_hosts"] = []string{n.world.known}
		j.Options["deadline"] = []string{"20s"}
		how(&j)
		k, err := n.history.AddJob(n.t.Context(), j, "nemesis", n.world.clock.now())
		n.must(err)
		n.jobs = append(n.jobs, kept{StoredJob: k, since: k.Cursor, steady: name != restless})
	}
	add("skips", "* * * * * *", 1500, func(*scheduler.Job) {})
	add("queues", "*/2 * * * * *", 3000, func(j *scheduler.Job) { j.Overlap = scheduler.OverlapQueue })
	add("allows", "* * * * * *", 3000, func(j *scheduler.Job) { j.Overlap, j.MaxRunning = scheduler.OverlapAllow, 2 })
	add("replaces", "*/3 * * * * *", 5000, func(j *scheduler.Job) { j.Overlap = scheduler.OverlapReplace })
	add("hangs", "*/5 * * * * *", 0, func(j *scheduler.Job) { j.Options["timeout"] = []string{"2s"} })
	add("repeats", "*/2 * * * * *", 2000, func(j *scheduler.Job) { j.Idempotent = true })
	add("dithers", "*/3 * * * * *", 1000, func(j *scheduler.Job) { j.Jitter = 2 * time.Second })
	add(restless, "* * * * * *", 500, func(*scheduler.Job) {})
}

// pass lets time pass.
func (n *nemesis) pass(d time.Duration) {
	select {
	case <-time.After(d):
	case <-n.t.Context().Done():
	}
}

// attack makes every move once, and then as many as it takes.
func (n *nemesis) attack() {
	order := n.rng.Perm(len(n.moves))
	for i := 0; i < len(order) || !n.enough(); i++ {
		m := n.moves[n.rng.IntN(len(n.moves))]
		if i < len(order) {
			m = n.moves[order[i]]
		}
		n.must(n.make(m))
		n.pass(n.calm())
	}
}

// calm is how long nothing happens. Now and then it is so long that firings come
// to their end.
func (n *nemesis) calm() time.Duration {
	if n.rng.IntN(4) == 0 {
		return n.between(time.Second, 4*time.Second)
	}
	return n.between(100*time.Millisecond, time.Second)
}

// wanted are the decisions that must occur at least once, or little was tried.
var wanted = []scheduler.Decision{scheduler.Run, scheduler.Skipped, scheduler.Missed}

// enough reports whether there were enough scheduled times, and all kinds of ends.
func (n *nemesis) enough() bool {
	for _, d := range wanted {
		rows, err := n.history.Firings(n.t.Context(), store.FiringQuery{Decisions: []scheduler.Decision{d}, Limit: 1})
		n.must(err)
		if len(rows) == 0 {
			return false
		}
	}
	last, err := n.history.Firings(n.t.Context(), store.FiringQuery{Limit: 1})
	n.must(err)
	return last[0].ID >= *wantFirings && len(n.world.fleet.Log()) >= hosts
}

// relent lets everything come to its end.
func (n *nemesis) relent() {
	n.must(n.world.place.relent())
	for i := range n.jobs {
		n.must(n.edit(n.jobs[i].Name, func(j *scheduler.Job) { j.Paused = true }))
	}
	n.must(eventually(n.quiet))
	for _, d := range n.daemons {
		if err := d.end(); err != nil {
			n.t.Errorf("daemon %d: %v", d.number, err)
		}
	}
	n.must(eventually(func() error {
		_, err := n.world.sessions()
		return err
	}))
}

// eventually waits for something that must happen.
func eventually(happened func() error) error {
	var err error
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(patience); time.Now().Before(limit); <-tick.C {
		if err = happened(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("after %s: %w", patience, err)
}

// quiet is an error while anything runs or waits.
func (n *nemesis) quiet() error {
	firings, err := n.history.Firings(n.t.Context(), store.FiringQuery{Decisions: []scheduler.Decision{scheduler.Run, scheduler.Queued}})
	if err != nil {
		return err
	}
	for _, f := range firings {
		if f.Decision == scheduler.Queued || f.Run == nil || f.Run.State == store.Running {
			return fmt.Errorf("firing %d of job %s (%s) has not come to its end", f.ID, f.Job, f.Decision)
		}
	}
	return nil
}

// gather is all that is known now.
func (n *nemesis) gather() *evidence {
	ctx := n.t.Context()
	e := &evidence{runs: map[int64]ran{}}
	var err error
	e.sessions, err = n.world.sessions()
	n.must(err)
	e.firings, err = n.history.Firings(ctx, store.FiringQuery{})
	n.must(err)
	runs, err := n.history.Runs(ctx, store.Query{})
	n.must(err)
	for _, r := range runs {
		results, err := n.history.Results(ctx, r.ID)
		n.must(err)
		hosts := map[string]store.HostResult{}
		for _, result := range results {
			hosts[result.Target.Name] = result
		}
		e.runs[r.ID] = ran{r, hosts}
	}
	for _, j := range n.jobs {
		now, err := n.history.Job(ctx, j.Name)
		n.must(err)
		j.StoredJob = now
		e.jobs = append(e.jobs, j)
	}
	return e
}

// checkLogs: nothing has panicked, and no daemon was at the end of its wits.
func (n *nemesis) checkLogs() {
	for _, d := range n.daemons {
		text, err := os.ReadFile(d.log)
		n.must(err)
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "panic") || strings.Contains(line, "DATA RACE") {
				n.t.Errorf("daemon %d: %s", d.number, line)
			}
		}
		if n.t.Failed() {
			n.t.Logf("daemon %d has said at last:\n%s", d.number, text[max(0, len(text)-10_000):])
		}
	}
}

// summary is what a nemesis has seen.
func (n *nemesis) summary(e *evidence) string {
	decisions, missed := map[string]int{}, 0
	for _, f := range e.firings {
		decisions[f.Decision.String()]++
		missed += f.Missed.Count
	}
	states := map[store.State]int{}
	for _, r := range e.runs {
		states[r.State]++
	}
	text := fmt.Sprintf("%d firings %v, %d scheduled times missed in rows, runs %v, %d sessions", len(e.firings), decisions, missed, states, len(e.sessions))
	for _, name := range slices.Sorted(maps.Keys(n.made)) {
		text += fmt.Sprintf("\n%4d times %s", n.made[name], name)
	}
	return text
}
