package daemon

import (
	"context"
	"crypto/rand"
	"io"
	"maps"
	"os"
	"sync"
	"time"

	"tutti/access"
	"tutti/console"
	"tutti/fanout"
	"tutti/output"
	"tutti/runner"
	"tutti/server"
	"tutti/server/live"
)

// apiGrace is how long answers may take that are being written when the daemon has
// nothing more to do.
const apiGrace = 3 * time.Second

// serveAPI answers clients over HTTP until over ends. Streams end with ctx, which is
// when the daemon is to stop: they would keep it from that.
func (d *Daemon) serveAPI(ctx, over context.Context) {
	if len(d.c.Endpoints) == 0 {
		return
	}
	accounts := &access.Gate{
		Store: d.store.Access(), Hasher: access.NewHasher(rand.Reader), Throttle: &access.Throttle{}, Now: d.c.Now, Random: rand.Reader,
	}
	gate := &server.Gate{Gate: accounts, Peers: server.Peers{Own: int64(os.Geteuid()), Rules: d.c.PeerRules}, Trusted: d.c.Trusted}
	api := &server.API{
		Runs: NewRuns(d.store), Jobs: d.service, Changes: NewJobChanges(d.service, d.c.Callbacks), Submissions: d.lanes.submissions(),
		Fleet: NewFleet(d.c.Env, d.store, func() int64 { return d.registration.member().ID() }), Access: gate, Gate: accounts, BaseURL: d.c.BaseURL,
		Maintenance: d.store.Maintenance(), Messages: d.store.Messages(), Callbacks: d.store.Callbacks(), CheckCallback: d.c.Callbacks.CheckURL,
		Alive: func() error { return d.metrics.Alive(silenceLimit) }, Ready: d.registration.Ready,
		Stopping: ctx, Version: d.c.Version, Now: d.c.Now, Logger: d.c.Logger,
	}
	api.Streams = &live.Streams{
		Hubs: d.c.Live, History: d.store,
		Encode:   func(w io.Writer, code func(fanout.Summary) int) live.Encoder { return output.NewSyncJSON(w, code) },
		ExitCode: func(s fanout.Summary) int { return runner.ExitCode(s, nil, nil) },
		Refuse:   server.RefuseStream, Principal: server.StreamPrincipal,
	}
	defer context.AfterFunc(ctx, api.Streams.Close)()
	pages := &console.Console{Base: d.c.BasePath, Now: d.c.Now, Logger: d.c.Logger}
	api.Pages = pages.Pages()
	if d.c.CompatAPI {
		compatible, err := d.compatible(api)
		if err != nil {
			d.c.Logger.Error("cannot serve the compatible endpoints", "error", err)
		} else {
			maps.Copy(api.Pages, compatible.Pages())
		}
	}
	handler := pages.Over(api.Handler())
	grace := min(d.c.StopTimeout, apiGrace)
	var wg sync.WaitGroup
	wg.Go(func() { api.Streams.Look(ctx) })
	wg.Go(func() { server.WatchRights(ctx, api) })
	for _, e := range d.c.Endpoints {
		wg.Go(func() {
			if err := e.Serve(over, handler, grace, d.c.Logger); err != nil {
				d.c.Logger.Error("cannot serve the API", "error", err)
			}
		})
	}
	wg.Wait()
}
