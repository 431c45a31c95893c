package runner

import (
	"context"
	"errors"
	"io"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/inventory/sshconfig"
	"tutti/ssh"
	"tutti/ssh/keeper"
)

// Persisting is how a process keeps connections for later ones.
type Persisting struct {
	// Directory is that of the keeper's socket, and Version that of this program.
	Directory, Version string
	// Program starts a keeper, with the arguments Command and in Environment.
	Program              string
	Command, Environment []string
}

// An executor makes the attempts of a run; its owner closes it.
type executor interface {
	fanout.Executor
	io.Closer
}

// persist says how long the connections to e stay open: a request comes before
// ssh_config.
func (r *router) persist(e *ssh.Endpoint, s *sshconfig.Settings) {
	e.Persist = s.Persist
	if r.request.Given("persist") {
		e.Persist = r.request.Login.Persist
	}
}

// executorOf is who makes the attempts of d: the client itself, or, where connections are
// to persist, a keeper for it. Without a keeper the client logs in, and the operator is
// told why.
func executorOf(ctx context.Context, l *Launch, d *Decision, client *ssh.Client) executor {
	if l.Persisting == nil || !keeper.Does(d.Plan.Task) {
		return client
	}
	lender := ssh.NewLender(client)
	var targets []int
	for i := range d.Endpoints {
		if d.Endpoints[i].Persist > 0 && lender.Lendable(i) {
			targets = append(targets, i)
		}
	}
	if len(targets) == 0 {
		return client
	}
	p := l.Persisting
	kept, err := keeper.Dial(ctx, client, targets, keeper.Options{
		Directory: p.Directory, Version: p.Version, Program: p.Program, Command: p.Command, Environment: p.Environment,
		Most: l.Request.Login.PersistMax, KnownHosts: l.Env.KnownHosts(l.Request.Login.KnownHosts),
		KillAfter: l.Request.Limits.KillAfter, Drain: l.Request.Limits.Drain,
		Hint: l.hint(ctx, d), Logger: l.Logger, Banner: l.Banner, Warn: l.Warn,
	})
	switch {
	case err == nil:
		return kept
	case ctx.Err() != nil:
	case errors.As(err, new(*keeper.OtherVersionError)):
		l.Warn(l.Env.Wording.Text(fault.Errorf("connections are not kept: %w (%s ends it)", err, fault.Command("keep stop"))))
	default:
		l.Warn("connections are not kept: " + err.Error())
	}
	return client
}
