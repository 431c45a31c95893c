package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"time"

	"tutti/access"
	"tutti/api/event"
	"tutti/fanout"
	"tutti/server/live"
	"tutti/server/operation"
	"tutti/store"
)

// base is where the operations are.
const base = "/api/v1"

// An API is what is served of a history over HTTP. Its fields are set before
// [API.Handler] is called.
type API struct {
	Runs Runs
	Jobs Jobs
	// Changes are what is done to jobs; nil: they can only be read.
	Changes JobChanges
	// Submissions are the runs that clients start; nil: they start none.
	Submissions Submissions
	Fleet       Fleet
	Access      Access
	// Pages are served besides the operations, by pattern.
	Pages map[string]http.Handler
	// CheckCallback says why a URL may not be sent the end of a run; nil: none may.
	CheckCallback func(url string) error
	// Maintenance is which hosts runs leave out; nil: that is not offered.
	Maintenance store.Maintenance
	// Messages are the notifications that wait; nil: they are not shown.
	Messages store.Messages
	// Callbacks are those of submitted runs that wait, too; nil: they are not shown.
	Callbacks store.Callbacks
	// Gate has users, tokens and sessions; nil: there are none.
	Gate *access.Gate
	// BaseURL is the origin by which clients reach the API; empty: that is not known.
	BaseURL string
	// Streams tell what happens in runs; nil: nothing is told.
	Streams *live.Streams
	// Alive and Ready are what /healthz and /readyz say; nil: that all is well.
	Alive func() error
	Ready func(context.Context) error
	// Patience is how long a request waits for another process that has the history
	// locked; 0: 3 s.
	Patience time.Duration
	// Stopping ends when streams have to end; nil: they do not.
	Stopping context.Context
	// Version is this program's.
	Version string
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time
	// Logger gets what clients are not told; nil: it is not logged.
	Logger *slog.Logger

	document func() []byte
	// asking bounds how often principals ask, knocking who has not shown who it is.
	asking, knocking *pace
	cross            *http.CrossOriginProtection
	rights           rights
	indexes          lineIndexes
}

// Handler serves the operations of the table.
func (a *API) Handler() *operation.Handler {
	if a.Now == nil {
		a.Now = time.Now
	}
	if a.Patience == 0 {
		a.Patience = 3 * time.Second
	}
	a.asking, a.knocking = newPace(perSecond, atOnce, a.Now), newPace(knocksASecond, knocksASecond, a.Now)
	a.cross = crossOrigin(a.BaseURL)
	a.rights.gate, a.rights.now = a.Gate, a.Now
	h := operation.NewHandler(operation.Config{
		Title: "tutti", Version: a.Version, Base: base,
		Guard: a.guard, Stopping: a.Stopping, Admit: a.admit, While: a.rights.while, Explain: explainTo, Kinds: kinds, Aliases: aliases(), Logger: a.Logger,
		Common: []operation.Kind{notKnown, lowRole, crossSite, tooOften, historyBusy},
		Others: a.others(),
	}, a.table())
	a.document = h.Document
	return h
}

// knock bounds how often an address tries to be let in.
func (a *API) knock(r *http.Request) *operation.Failure {
	if readsOnly(r) {
		return nil
	}
	return a.knocking.take(network(remoteOf(r)))
}

// others are the pages that are no operations.
func (a *API) others() map[string]http.Handler {
	pages := a.healthPages()
	maps.Copy(pages, a.Pages)
	return pages
}

// healthPages are those that tell whether the daemon lives and works.
func (a *API) healthPages() map[string]http.Handler {
	alive, ready := a.Alive, a.Ready
	if alive == nil {
		alive = func() error { return nil }
	}
	if ready == nil {
		ready = func(context.Context) error { return nil }
	}
	return map[string]http.Handler{
		"GET /healthz": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { say(w, briefly(alive())) }),
		"GET /readyz":  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { say(w, briefly(ready(r.Context()))) }),
	}
}

// table are all operations.
func (a *API) table() []operation.Operation {
	var all []operation.Operation
	for _, part := range [][]operation.Operation{
		runOps{a}.operations(), runOps{a}.eventOperations(), jobOps{a}.operations(), changeOps{a}.operations(), submitOps{a}.operations(), queueOps{a}.operations(),
		fleetOps{a}.operations(), restOps{a}.operations(), accessOps{a}.operations(), checkOps{a}.operations(), outboxOps{a}.operations(), ownOps{a}.operations(),
	} {
		all = append(all, part...)
	}
	return all
}

// The operations by what they are about.
type (
	runOps    struct{ *API }
	jobOps    struct{ *API }
	fleetOps  struct{ *API }
	restOps   struct{ *API }
	changeOps struct{ *API }
	submitOps struct{ *API }
	queueOps  struct{ *API }
	accessOps struct{ *API }
	checkOps  struct{ *API }
	outboxOps struct{ *API }
	ownOps    struct{ *API }
)

type principalKey struct{}

// principalOf is who asks.
func principalOf(ctx context.Context) access.Principal {
	p, _ := ctx.Value(principalKey{}).(access.Principal)
	return p
}

// Admit is who asks, if it may do that: for pages that are no operations.
func (a *API) Admit(r *http.Request, action access.Action) (access.Principal, error) {
	ctx, err := a.admit(r, &operation.Operation{Spec: operation.Spec{Action: action}})
	if err != nil {
		return access.Principal{}, err
	}
	return principalOf(ctx), nil
}

// admit lets those in who may ask for o.
func (a *API) admit(r *http.Request, o *operation.Operation) (context.Context, error) {
	r = r.WithContext(store.Patience(r.Context(), a.Patience))
	if o.Action == "" {
		if refused := a.knock(r); refused != nil {
			return nil, refused
		}
		return r.Context(), nil
	}
	p, err := a.Access.Who(r)
	if err != nil {
		if refused := a.knocking.take(network(remoteOf(r))); refused != nil {
			return nil, refused
		}
		return nil, a.unknown(r, o, err)
	}
	if refused := a.asking.take(string(p.Via) + p.Name); refused != nil {
		return nil, refused
	}
	if err := p.Check(o.Action); err != nil {
		if !readsOnly(r) {
			a.record(r.Context(), access.Entry{
				By: sourceOf(r).By(p.Name, p.Via, a.Now()), Action: "request", Object: "operation:" + cmp.Or(o.ID, string(o.Action)), Outcome: access.Refused,
				After: access.Details{"reason": lowRole.Name}.JSON(),
			})
		}
		return nil, err
	}
	return withPrincipal(r.Context(), p), nil
}

// withPrincipal is the context of a request of p.
func withPrincipal(ctx context.Context, p access.Principal) context.Context {
	return context.WithValue(context.WithValue(ctx, principalKey{}, p), memoKey{}, &memo{})
}

// unknown is err, about a client that is not logged in. For its session, without a token and
// while there are no users, it is the problem that says so.
func (a *API) unknown(r *http.Request, o *operation.Operation, err error) error {
	if o.ID != sessionID || a.Gate == nil || r.Header.Get("Authorization") != "" {
		return err
	}
	if users, failed := a.Gate.Store.Users(r.Context()); failed == nil && len(users) == 0 {
		f := noUsers.Fail("")
		f.Err = err
		return f
	}
	return err
}

// aliases are the types whose JSON is not what their fields say.
func aliases() []operation.Alias {
	text, anything := reflect.TypeFor[string](), reflect.TypeFor[any]()
	return []operation.Alias{
		{Of: reflect.TypeFor[event.Time](), As: reflect.TypeFor[time.Time]()},
		{Of: reflect.TypeFor[event.Counts](), As: reflect.TypeFor[map[string]int]()},
		{Of: reflect.TypeFor[fanout.Outcome](), As: text},
		{Of: reflect.TypeFor[fanout.Task](), As: anything},
		{Of: reflect.TypeFor[fanout.Policy](), As: anything},
	}
}

// errNotWell is all that is told of why the daemon does not work to those who need not
// be known.
var errNotWell = errors.New("not well: see the log of the daemon, or its page of health for metrics")

func briefly(err error) error {
	if err == nil {
		return nil
	}
	return errNotWell
}
