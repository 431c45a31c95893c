package live

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"tutti/api"
	"tutti/fanout"
	"tutti/store"
)

const (
	// hostsPerEvent is how many names are in an event.
	hostsPerEvent = 2000
	// recordTime is how long the record of a run that has ended may take to be complete.
	recordTime = 10 * time.Second
)

// A viewer is one stream of a run.
type viewer struct {
	s    *Streams
	out  *eventWriter
	hub  *Hub
	lens *lens
	run  store.Run
	// selector is that of the run as the viewer may read it, and scoped that it may not
	// see all hosts.
	selector string
	scoped   bool
	known    bool
	// version is that of what was shown, if known.
	version uint64
	outputs []*shownHost
}

// A shownHost is a host whose output a viewer is shown.
type shownHost struct {
	host string
	ring *ring
	at   position
}

// watch sends the states of hosts, and the output of some. What it needs of the stack stays
// in use for as long as the client follows: it is little, and that of view is free again.
func (s *Streams) watch(ctx context.Context, w http.ResponseWriter, r *http.Request, run *store.Run, q *runQuery, visible func(string) bool) {
	v, leave := s.view(ctx, w, r, run, q, visible)
	if v == nil {
		return
	}
	defer leave()
	_ = v.follow(ctx) // the client has gone
}

// view sends what comes first; nil: there is nothing to follow. leave has to be called.
func (s *Streams) view(ctx context.Context, w http.ResponseWriter, r *http.Request, run *store.Run, q *runQuery, visible func(string) bool) (v *viewer, leave func()) {
	v = &viewer{s: s, out: newEventWriter(w), run: *run}
	if run.State == store.Queued {
		var err error
		if v.run, err = s.started(ctx, v.out, *run); err != nil {
			return nil, nil // the client has gone, or connects again
		}
	}
	hub, release, err := s.Hubs.hub(ctx, s.History, run.ID)
	if err != nil {
		s.unreadable(w, r, err)
		return nil, nil
	}
	v.hub, v.lens = hub, newLens(hub.hosts, chosen(q.hosts, visible))
	hub.board.enter()
	leave = func() {
		for _, o := range v.outputs {
			hub.unwatch(o.ring)
		}
		hub.board.leave()
		release()
	}
	if v.lens.index != nil { // whose counts are its own
		v.lens.snapshot(hub.board.since(0, false).snapshot)
	}
	if err := v.begin(q, readCursor(r.Header.Get("Last-Event-ID"))); err != nil {
		leave()
		return nil, nil
	}
	return v, leave
}

// chosen is visible, and one of hosts if there are any.
func chosen(hosts []string, visible func(string) bool) func(string) bool {
	if hosts == nil {
		return visible
	}
	named := make(map[string]bool, len(hosts))
	for _, host := range hosts {
		named[host] = true
	}
	return func(host string) bool { return named[host] && (visible == nil || visible(host)) }
}

// begin sends what comes first, and starts watching the hosts.
func (v *viewer) begin(q *runQuery, from cursor) error {
	v.out.line("retry: " + retryMS)
	if from.epoch == v.hub.epoch {
		v.known, v.version = true, from.version
	}
	v.out.object(nil, "run", v.runForm(v.run))
	v.names()
	if q.output == "none" {
		return v.out.flush()
	}
	for _, host := range q.hosts {
		index, ok := place(v.lens, v.hub.hosts, host)
		if !ok {
			continue
		}
		ring, err := v.hub.watch(index)
		if err != nil {
			v.out.object(nil, "unwatched", map[string]string{"host": host, "reason": err.Error()})
			continue
		}
		o := &shownHost{host: host, ring: ring}
		if at, ok := from.outputs[host]; ok {
			o.at = at
		} else if q.output == "all" {
			o.at = ring.start()
		} else {
			o.at = ring.tail()
		}
		v.outputs = append(v.outputs, o)
	}
	return v.out.flush()
}

// A runForm is a run, of which some hosts may be hidden.
type runForm struct {
	api.Run
	Hidden int `json:"hidden,omitempty"`
}

func (v *viewer) runForm(run store.Run) runForm {
	run.Selector = v.selector
	if v.lens.index != nil {
		run.Summary.Hosts, run.Summary.Counts = len(v.lens.names), [len(run.Summary.Counts)]int{}
		for p := ended; int(p) < numPhases; p++ {
			run.Summary.Counts[p-ended] = int(v.lens.counts[p])
		}
	}
	if v.scoped && run.ExitCode != nil {
		code := v.s.ExitCode(run.Summary)
		run.ExitCode = &code
	}
	return runForm{api.NewRun(run), v.lens.hidden}
}

// names sends the names of the hosts, some at a time.
func (v *viewer) names() {
	pages := v.hub.pages
	if v.lens.index != nil {
		pages = func() [][]byte { return namePages(v.lens.names) }
	}
	for _, page := range pages() {
		v.out.event(nil, "hosts", page)
	}
}

// namePages are names as they are sent; at least one.
func namePages(names []string) (pages [][]byte) {
	type page struct {
		First int      `json:"first"`
		Of    int      `json:"of"`
		Hosts []string `json:"hosts"`
	}
	for first := 0; first == 0 || first < len(names); first += hostsPerEvent {
		some := names[first:min(len(names), first+hostsPerEvent)]
		data, _ := json.Marshal(page{first, len(names), append([]string{}, some...)}) // texts and numbers always are JSON
		pages = append(pages, data)
	}
	return pages
}

// follow sends what is new until the run has ended.
func (v *viewer) follow(ctx context.Context) error {
	quiet := time.NewTimer(heartbeat)
	defer quiet.Stop()
	for {
		news := v.hub.board.since(v.version, v.known)
		v.show(&news)
		v.showOutput()
		if news.over {
			return v.end(ctx)
		}
		if len(v.out.buf) > 0 {
			quiet.Reset(heartbeat)
		}
		if err := v.out.flush(); err != nil {
			return err
		}
		select {
		case <-news.changed:
		case <-quiet.C:
			v.out.line(":")
			quiet.Reset(heartbeat)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// show adds what leads to the present of the states.
func (v *viewer) show(n *news) {
	add := func(name string, version uint64, data []byte) {
		if data != nil {
			v.version, v.known = version, true
			v.out.event(v.id(), name, data)
		}
	}
	if n.snapshot != nil {
		add("snapshot", n.version, v.lens.snapshot(n.snapshot))
	}
	for _, f := range n.frames {
		add("delta", f.version, v.lens.show(f))
	}
	v.version, v.known = n.version, true
}

// id is the cursor of the viewer.
func (v *viewer) id() []byte {
	id := strconv.AppendUint(append([]byte(v.hub.epoch), '-'), v.version, 10)
	for _, o := range v.outputs {
		id = o.at.append(id, o.host)
	}
	return id
}

// An outputForm is what a host wrote, and a gapForm bytes that are left out.
type outputForm struct {
	Host     string `json:"host"`
	Attempt  int    `json:"attempt"`
	Stream   string `json:"stream"`
	Offset   int64  `json:"offset"`
	Data     string `json:"data"`
	Encoding string `json:"encoding,omitempty"`
}

type gapForm struct {
	Host    string `json:"host"`
	Attempt int    `json:"attempt"`
	Stream  string `json:"stream"`
	From    int64  `json:"from"`
	To      int64  `json:"to"`
}

// showOutput adds what the watched hosts wrote. The last event of a host has the id, as
// all of it was read at once.
func (v *viewer) showOutput() {
	for _, o := range v.outputs {
		pieces := o.ring.read(&o.at)
		for i, p := range pieces {
			var id []byte
			if i == len(pieces)-1 {
				id = v.id()
			}
			if p.data == nil {
				v.out.object(id, "gap", gapForm{o.host, p.attempt, p.stream.String(), p.from, p.to})
				continue
			}
			form := outputForm{Host: o.host, Attempt: p.attempt, Stream: p.stream.String(), Offset: p.from, Data: string(p.data)}
			if !utf8.Valid(p.data) {
				form.Data, form.Encoding = base64.StdEncoding.EncodeToString(p.data), "base64"
			}
			v.out.object(id, "output", form)
		}
	}
}

// end sends the run as it is on record, once it is, and with it the end.
func (v *viewer) end(ctx context.Context) error {
	if err := v.out.flush(); err != nil {
		return err
	}
	run, err := v.s.recorded(ctx, v.run)
	if err != nil {
		return err
	}
	v.out.object(v.id(), "end", v.runForm(run))
	return v.out.flush()
}

// started waits until a run has left the queue; the client gets a comment now and then.
func (s *Streams) started(ctx context.Context, out *eventWriter, run store.Run) (store.Run, error) {
	wake, end := s.History.Wake()
	defer end()
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	out.line(":")
	for {
		if err := out.flush(); err != nil {
			return run, err
		}
		now, err := s.History.Run(ctx, strconv.FormatInt(run.ID, 10), "")
		if err != nil || now.State != store.Queued {
			return now, err
		}
		select {
		case <-wake:
		case <-tick.C:
			out.line(":")
		case <-ctx.Done():
			return run, context.Cause(ctx)
		}
	}
}

// recorded is a run that has ended, once its record is complete, or as it is after
// recordTime.
func (s *Streams) recorded(ctx context.Context, run store.Run) (store.Run, error) {
	wake, end := s.History.Wake()
	defer end()
	limit := time.NewTimer(recordTime)
	defer limit.Stop()
	for {
		now, err := s.History.Run(ctx, strconv.FormatInt(run.ID, 10), "")
		if err != nil || now.State.Ended() {
			return now, err
		}
		select {
		case <-wake:
		case <-limit.C:
			return now, nil
		case <-ctx.Done():
			return now, context.Cause(ctx)
		}
	}
}

// codeOf is the exit code of a run for the last of its lines.
func (s *Streams) codeOf(ctx context.Context, run store.Run) func(fanout.Summary) int {
	return func(fanout.Summary) int {
		if now, err := s.History.Run(ctx, strconv.FormatInt(run.ID, 10), ""); err == nil {
			run = now
		}
		if run.ExitCode != nil {
			return *run.ExitCode
		}
		return s.ExitCode(run.Summary)
	}
}
