package live

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// PerPrincipal is how many streams a principal may have open.
const PerPrincipal = 32

const (
	// inAll is how many streams may be open all together.
	perPrincipal, inAll = PerPrincipal, 2000
	// watchedHosts is how many hosts a stream may show the output of.
	watchedHosts = 8
	// retryAfter is when a client may try again if there are too many, in seconds.
	retryAfter = 5
)

// A History is what streams need of the history.
type History interface {
	Source
	Run(ctx context.Context, ref, user string) (store.Run, error)
	HostsOf(ctx context.Context, ref, user string, outcomes []fanout.Outcome) ([]string, error)
	Runs(ctx context.Context, q store.Query) ([]store.Run, error)
	ListJobs(ctx context.Context) ([]scheduler.StoredJob, error)
	Daemons(ctx context.Context) ([]scheduler.Controller, error)
	Wake() (wake <-chan struct{}, end func())
}

// An Encoder writes the events of a run as lines of JSON. Handle returns when the event is
// written, except an incomplete line of output.
type Encoder interface {
	fanout.Sink
	Close() error
}

// A Problem is why a request gets no stream.
type Problem struct {
	Status int
	// Name is that of its type, and Detail one sentence for people. Neither has anything
	// of the request.
	Name, Detail string
}

// Streams are the handlers of streams. Set its fields before the first request; its
// methods may be called concurrently.
type Streams struct {
	// Hubs has the runs of this process, and History all runs.
	Hubs    *Hubs
	History History
	// Encode makes what writes a run as lines; exitCode is called for the code of the run.
	Encode func(w io.Writer, exitCode func(fanout.Summary) int) Encoder
	// ExitCode is the code of a run that has none on record.
	ExitCode func(fanout.Summary) int
	// Principal is who makes a request, for the limit of each; nil: all are the same.
	Principal func(r *http.Request) string
	// Refuse answers with a problem; a Retry-After is set. Nil: as problem+json.
	Refuse func(w http.ResponseWriter, r *http.Request, p Problem)

	mu   sync.Mutex // guards what follows
	open map[string]int
	all  int
	// ending is done when streams are to end, by end; nil until it is needed.
	ending context.Context
	end    context.CancelFunc

	events summaries
}

// Close ends all streams. It does not wait for that: their handlers return soon.
func (s *Streams) Close() {
	s.closing()
	s.end()
}

// closing is the context that is done when streams are to end.
func (s *Streams) closing() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending == nil {
		s.ending, s.end = context.WithCancel(context.Background())
	}
	return s.ending
}

// enter counts a stream, or refuses the request; problem is what is wrong with its query,
// empty if nothing is.
func (s *Streams) enter(w http.ResponseWriter, r *http.Request, problem string) (leave func(), ok bool) {
	if problem != "" {
		s.refuse(w, r, Problem{http.StatusUnprocessableEntity, "stream-query", problem})
		return nil, false
	}
	who, ending := "", s.closing()
	if s.Principal != nil {
		who = s.Principal(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[string]int)
	}
	full := ""
	switch {
	case ending.Err() != nil:
		full = "the server is stopping"
	case s.all >= inAll:
		full = fmt.Sprintf("%d streams are open, the most that this server has", inAll)
	case s.open[who] >= perPrincipal:
		full = fmt.Sprintf("%d of your streams are open, the most that you may have", perPrincipal)
	}
	if full != "" {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		s.refuse(w, r, Problem{http.StatusTooManyRequests, "too-many-streams", full})
		return nil, false
	}
	s.all++
	s.open[who]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.open[who]--; s.open[who] == 0 {
			delete(s.open, who)
		}
	}, true
}

func (s *Streams) refuse(w http.ResponseWriter, r *http.Request, p Problem) {
	if s.Refuse != nil {
		s.Refuse(w, r, p)
		return
	}
	body, _ := json.Marshal(map[string]any{ // texts and a number always are JSON
		"type": "/problems/" + p.Name, "title": http.StatusText(p.Status), "status": p.Status, "detail": p.Detail,
	})
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the client may have gone
}

// A runQuery is what a request asks of a run.
type runQuery struct {
	hosts  []string // those that are named; nil: all
	output string   // none, tail, all
	from   int64    // how many lines the client has
	// record: the lines stop at the end of the record as it is now.
	record bool
}

func readRunQuery(r *http.Request, lines bool) (q runQuery, problem string) {
	values := r.URL.Query()
	for key := range values {
		if key != "hosts" && key != "output" && (key != "from" && key != "until" || !lines) {
			return q, "only hosts, output and, of lines, from and until are known here"
		}
	}
	named := map[string]bool{}
	for _, list := range values["hosts"] {
		for host := range strings.SplitSeq(list, ",") {
			if host != "" && !named[host] {
				named[host] = true
				q.hosts = append(q.hosts, host)
			}
		}
	}
	standard, words := "none", []string{"none", "tail", "all"}
	if lines {
		standard, words = "all", []string{"none", "all"}
	}
	q.output = cmp.Or(values.Get("output"), standard)
	if known := strings.Join(words, ", "); !strings.Contains(", "+known+",", ", "+q.output+",") {
		return q, "output is one of " + known
	}
	switch values.Get("until") {
	case "", "live":
	case "record":
		q.record = true
	default:
		return q, "until is live or record"
	}
	if from := values.Get("from"); from != "" {
		n, err := strconv.ParseInt(from, 10, 64)
		if err != nil || n < 0 {
			return q, "from is how many lines to leave out, a whole number"
		}
		q.from = n
	}
	if !lines && q.output != "none" && (len(q.hosts) == 0 || len(q.hosts) > watchedHosts) {
		return q, fmt.Sprintf("output is shown of 1 to %d hosts, which hosts names", watchedHosts)
	}
	return q, ""
}

// Run sends what happens in a run until it has ended: as text/event-stream, or, if the
// client accepts application/x-ndjson, as the lines of --json. visible says which of its
// hosts may be seen; nil: all. The caller has checked that the run may be seen, and run
// has the selector and the exit code that may be.
func (s *Streams) Run(w http.ResponseWriter, r *http.Request, run store.Run, visible func(host string) bool) {
	lines := acceptsLines(r)
	q, problem := readRunQuery(r, lines)
	leave, ok := s.enter(w, r, problem)
	if !ok {
		return
	}
	defer leave()
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	defer context.AfterFunc(s.closing(), stop)()
	if lines {
		s.lines(ctx, w, r, run, q, visible)
	} else {
		s.watch(ctx, w, r, &run, &q, visible)
	}
}

// acceptsLines reports whether a request prefers lines to events.
func acceptsLines(r *http.Request) bool {
	for _, accepted := range r.Header.Values("Accept") {
		for kind := range strings.SplitSeq(accepted, ",") {
			kind, _, _ = strings.Cut(kind, ";")
			switch strings.TrimSpace(kind) {
			case "text/event-stream":
				return false
			case "application/x-ndjson":
				return true
			}
		}
	}
	return false
}

// unreadable answers that a run could not be read.
func (s *Streams) unreadable(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case r.Context().Err() != nil:
	case errors.As(err, new(*store.NoRunError)):
		s.refuse(w, r, Problem{http.StatusNotFound, "not-found", "there is no such run"})
	default:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		s.refuse(w, r, Problem{http.StatusServiceUnavailable, "history-busy", "the run cannot be read at the moment"})
	}
}
