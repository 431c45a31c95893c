package live

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

const (
	// keptSummaries is how many summaries are kept for clients that come again.
	keptSummaries = 1000
)

// The topics of summaries.
const (
	TopicRun    = "run"    // a run has started, or ended
	TopicJob    = "job"    // a job was added, changed, removed, or its state was
	TopicDaemon = "daemon" // a daemon came, or went
)

// A Summary is one thing that happened in a history.
type Summary struct {
	// Topic is one of the topics, and Event what happened: "run_started", "run_ended",
	// "job_changed", "job_removed", "daemon_came", "daemon_went".
	Topic, Event string
	// Run, Job and Daemon are what it is about; only that of the topic is set.
	Run    *store.Run
	Job    *scheduler.StoredJob
	Daemon *scheduler.Controller

	number uint64
	data   []byte
}

// summaries are the last ones, in order. The zero value has none.
type summaries struct {
	mu      sync.Mutex // guards what follows
	epoch   string
	ring    []Summary
	number  uint64 // of the last
	changed chan struct{}
	looked  chan struct{} // closed once the history was looked at
}

func (s *summaries) publish(x Summary, form any) {
	data, err := json.Marshal(form)
	if err != nil {
		return // none of the forms fails
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	s.number++
	x.number, x.data = s.number, data
	s.ring = append(s.ring, x)
	if len(s.ring) > keptSummaries {
		s.ring = slices.Delete(s.ring, 0, len(s.ring)-keptSummaries)
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// init makes what the zero value lacks; s.mu is held.
func (s *summaries) init() {
	if s.changed == nil {
		s.epoch, s.changed, s.looked = newEpoch(), make(chan struct{}), make(chan struct{})
	}
}

// ready is closed once the history was looked at: events from then on are sent.
func (s *summaries) ready() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	return s.looked
}

// after are the summaries after that number; ok is false if some of them are gone, or if
// there never was one of that number.
func (s *summaries) after(number uint64) (list []Summary, last uint64, changed <-chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	behind := s.number - number // wraps around for one that is ahead
	if behind > uint64(len(s.ring)) {
		return nil, s.number, s.changed, false
	}
	return slices.Clone(s.ring[len(s.ring)-int(behind):]), s.number, s.changed, true
}

// cursor reads the id of the last summary that a client got; without one it is at the
// present. ok is false if it is another process's.
func (s *summaries) cursor(id string) (number uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	if id == "" {
		return s.number, true
	}
	epoch, text, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil && epoch == s.epoch
}

// A Show says whether a client may see a summary, and in which form; a nil form is the one
// that all have who see everything. Its error ends the stream, which the client continues
// later.
type Show func(x *Summary) (form any, sees bool, err error)

// Events sends summaries of what happens in the history, until the client goes: those of
// the topics that it asks for, as show has them; nil: all. Look has to be running. A client
// that was away for too long gets the event reset, and has to read the lists again.
func (s *Streams) Events(w http.ResponseWriter, r *http.Request, show Show) {
	topics, problem := readTopics(r)
	leave, ok := s.enter(w, r, problem)
	if !ok {
		return
	}
	defer leave()
	// A client that has the header gets all events from then on.
	select {
	case <-s.events.ready():
	case <-r.Context().Done():
		return
	case <-s.closing().Done():
		return
	}
	number, known := s.events.cursor(r.Header.Get("Last-Event-ID"))
	out := newEventWriter(w)
	out.line("retry: " + retryMS)
	if out.flush() != nil {
		return
	}
	quiet := time.NewTimer(heartbeat)
	defer quiet.Stop()
	for {
		list, last, changed, ok := s.events.after(number)
		id := func(n uint64) []byte { return strconv.AppendUint([]byte(s.events.epoch+"-"), n, 10) }
		if !ok || !known {
			out.event(id(last), "reset", []byte("{}"))
		} else {
			for i := range list {
				if x := &list[i]; slices.Contains(topics, x.Topic) {
					out.summary(id(x.number), x, show)
				}
			}
		}
		number, known = last, true
		if out.flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-quiet.C:
			out.line(":")
		case <-r.Context().Done():
			return
		case <-s.closing().Done():
			return
		}
		quiet.Reset(heartbeat)
	}
}

// summary adds a summary as show has it.
func (e *eventWriter) summary(id []byte, x *Summary, show Show) {
	var form any
	if show != nil {
		var sees bool
		var err error
		if form, sees, err = show(x); err != nil {
			e.err = err
		}
		if !sees || err != nil {
			return
		}
	}
	if form == nil {
		e.event(id, x.Event, x.data)
		return
	}
	e.object(id, x.Event, form)
}

func readTopics(r *http.Request) (topics []string, problem string) {
	all := []string{TopicRun, TopicJob, TopicDaemon}
	for key, values := range r.URL.Query() {
		if key != "topics" {
			return nil, "only topics is known here"
		}
		for topic := range strings.SplitSeq(strings.Join(values, ","), ",") {
			if !slices.Contains(all, topic) {
				return nil, "topics are some of " + strings.Join(all, ", ")
			}
			topics = append(topics, topic)
		}
	}
	if topics == nil {
		topics = all
	}
	return topics, ""
}
