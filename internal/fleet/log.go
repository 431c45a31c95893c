package fleet

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Record is what truly happened in one session.
type Record struct {
	Host    string
	Conn    int    // number of the connection at this host, from 1
	Session int    // number of the session on its connection, from 1
	User    string // who logged in
	Command string // the command line asked for; empty for a shell
	PTY     bool   // a terminal was asked for

	Started time.Time // when the command was handed to the handler; zero: never
	Ended   time.Time // when the handler returned; zero: not yet
	Exit    *Exit     // how the handler ended; nil: not yet
	Sent    bool      // whether the message about the end was written; Cut may have swallowed it

	Stdout, Stderr int64    // bytes of output written to the channel, Faults.Flood included
	Signals        []string // signal requests received, in order
	Requests       int      // keepalives of Faults.Keepalives that were answered
}

// ConnRecord is what truly happened on one connection.
type ConnRecord struct {
	Host     string
	Conn     int // number of the connection at this host, from 1
	Accepted time.Time
	LoggedIn time.Time // zero: no one did
	Closed   time.Time // zero: it stands
	Offers   int       // public keys offered, whether good or not
	Passes   int       // passwords given, whether good or not
	User     string    // who logged in; empty: no one
	Sessions int       // session channels asked for
	Written  int64     // bytes the server put on the wire
}

// entry is a Record in the making. Output is counted aside, so that writers do
// not meet at the log's lock.
type entry struct {
	Record
	stdout, stderr atomic.Int64
}

// connEntry is a ConnRecord in the making.
type connEntry struct {
	ConnRecord
	written atomic.Int64
}

// log collects records. Its zero value is empty and ready.
type log struct {
	mu       sync.Mutex // guards what follows, and every record listed
	sessions []*entry
	conns    []*connEntry
}

// Log returns one record per session so far, in the order they were opened.
func (f *Fleet) Log() []Record {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	out := make([]Record, len(f.log.sessions))
	for i, r := range f.log.sessions {
		out[i] = r.Record
		out[i].Signals = slices.Clone(r.Signals)
		out[i].Stdout, out[i].Stderr = r.stdout.Load(), r.stderr.Load()
	}
	return out
}

// Conns returns one record per connection so far, in the order they were
// accepted.
func (f *Fleet) Conns() []ConnRecord {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	out := make([]ConnRecord, len(f.log.conns))
	for i, r := range f.log.conns {
		out[i] = r.ConnRecord
		out[i].Written = r.written.Load()
	}
	return out
}

func (l *log) addSession(r *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sessions = append(l.sessions, r)
}

func (l *log) addConn(r *connEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, r)
}

// note changes a record under the log's lock.
func (l *log) note(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}
