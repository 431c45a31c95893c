package server

import (
	"context"
	"net/http"
	"strconv"

	"tutti/access"
	"tutti/server/live"
	"tutti/server/operation"
	"tutti/store"
)

// eventOperations are those that tell what happens while it happens.
func (a runOps) eventOperations() []operation.Operation {
	if a.Streams == nil {
		return nil
	}
	return []operation.Operation{
		operation.Of(operation.Spec{
			Method: http.MethodGet, Path: "/runs/{run}/events", ID: "followRun", Tag: "runs", Action: access.Read,
			Summary:  "Follow a run: its states and output, or as lines all that happens in it",
			Problems: []operation.Kind{noRun, prunedRun, stillRunning, tooManyStreams, streamQuery},
			Types:    []string{"text/event-stream", "application/x-ndjson"},
		}, a.follow),
		operation.Of(operation.Spec{
			Method: http.MethodGet, Path: "/events", ID: "followHistory", Tag: "runs", Action: access.Read,
			Summary:  "Follow what happens: which runs start and end, which jobs change, which daemons come and go",
			Problems: []operation.Kind{tooManyStreams, streamQuery},
			Types:    []string{"text/event-stream"},
		}, a.followHistory),
	}
}

// tooManyStreams and streamQuery are the problems of streams.
var (
	tooManyStreams = operation.Kind{Name: "too-many-streams", Title: "Too many streams are open", Status: http.StatusTooManyRequests, Text: "Close one, or try again after as many seconds as Retry-After says."}
	streamQuery    = operation.Kind{Name: "stream-query", Title: "The stream cannot be had so", Status: http.StatusUnprocessableEntity, Text: "The detail says which parameters a stream takes, and which values."}
)

type followIn struct {
	RunPath
	Hosts  []string `query:"hosts" doc:"only these hosts"`
	Output string   `query:"output" enum:"none,tail,all" doc:"how much of what the hosts write"`
	From   int64    `query:"from" minimum:"0" doc:"of lines: after so many, of a run that has ended"`
	Until  string   `query:"until" enum:"live,record" doc:"of lines: to the end of the run, or to that of the record as it is now"`
}

func (a runOps) follow(ctx context.Context, in *followIn) (*operation.Answer[operation.Stream], error) {
	run, form, err := a.run(ctx, in.Run)
	if err != nil {
		return nil, err
	}
	run.Selector, run.ExitCode = form.Selector, form.ExitCode
	visible, err := a.visible(ctx)
	if err != nil {
		return nil, err
	}
	return streamed(func(w http.ResponseWriter, r *http.Request) { a.Streams.Run(w, r, run, visible) }), nil
}

// streamed is the answer that serve writes, or its refusal.
func streamed(serve func(w http.ResponseWriter, r *http.Request)) *operation.Answer[operation.Stream] {
	return operation.Reply(operation.Stream{Write: func(ctx context.Context, w http.ResponseWriter) error {
		var refused error
		r := operation.Request(ctx)
		serve(w, r.WithContext(context.WithValue(ctx, refusalKey{}, &refused)))
		return refused
	}})
}

type followHistoryIn struct {
	Topics []string `query:"topics" enum:"run,job,daemon" doc:"only what is about these"`
}

func (a runOps) followHistory(context.Context, *followHistoryIn) (*operation.Answer[operation.Stream], error) {
	return streamed(func(w http.ResponseWriter, r *http.Request) {
		a.Streams.Events(w, r, a.summaries(r.Context()))
	}), nil
}

// summaries says what of the summaries who asks may see.
func (a runOps) summaries(ctx context.Context) live.Show {
	p := principalOf(ctx)
	if len(p.Scopes) == 0 && len(p.Jobs) == 0 {
		return nil
	}
	ctx = context.WithValue(ctx, memoKey{}, nil) // a stream lasts, and the inventory changes
	return func(x *live.Summary) (form any, sees bool, err error) {
		switch x.Topic {
		case live.TopicRun:
			return a.runForm(ctx, *x.Run)
		case live.TopicJob:
			err = a.seesJob(ctx, x.Job.Name)
			if unseen(err) {
				return nil, false, nil
			}
		}
		return nil, err == nil, err
	}
}

type refusalKey struct{}

// RefuseStream makes of a stream that is not to be had a problem, as the other operations
// have them.
func RefuseStream(w http.ResponseWriter, r *http.Request, p live.Problem) {
	kinds := map[string]operation.Kind{
		tooManyStreams.Name: tooManyStreams, streamQuery.Name: streamQuery, "not-found": noRun, stillRunning.Name: stillRunning,
	}
	kind, known := kinds[p.Name]
	if !known {
		kind = historyBusy
	}
	failure := kind.Fail(p.Detail)
	failure.Header = http.Header{"Retry-After": w.Header().Values("Retry-After")}
	if refused, ok := r.Context().Value(refusalKey{}).(*error); ok {
		*refused = failure
	}
}

// StreamPrincipal is who asks for a stream: a user together with all its tokens, which it
// can make itself, or who else was admitted.
func StreamPrincipal(r *http.Request) string {
	p := principalOf(r.Context())
	if p.User != 0 {
		return "user " + strconv.FormatInt(p.User, 10)
	}
	return p.Name
}

var _ live.History = store.Store(nil)
