package cmd

import (
	"context"
	"os"
	"os/user"

	"tutti/fanout"
	"tutti/runner"
)

// env is what a decision takes from the process.
func (a *app) env() *runner.Env {
	wd, err := os.Getwd()
	if err != nil {
		wd = "" // it was deleted: what is not named by a path from the root is not there
	}
	return &runner.Env{Getenv: a.Getenv, LookupEnv: a.LookupEnv, Environ: os.Environ(), Home: a.home(), WorkDir: wd, User: a.userName()}
}

// userName is who the history says it was, and who logs in where nothing else
// is said.
func (a *app) userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return a.Getenv("USER")
}

// decide turns a request and a selector into a plan.
func (a *app) decide(ctx context.Context, o *launchOptions, selector string, task fanout.Task, history *historyFile) (*runner.Decision, error) {
	o.Runs = a.earlierRuns(history)
	return a.env().Decide(ctx, &o.Request, &o.Lookup, selector, task, o.repeated)
}

// choose loads the inventory and selects from it.
func (a *app) choose(ctx context.Context, o *requestOptions, selector string, history *historyFile) (*runner.Selection, error) {
	o.Runs = a.earlierRuns(history)
	return a.env().Choose(ctx, &o.Request, &o.Lookup, selector)
}

// earlierRuns are those of history.
func (a *app) earlierRuns(history *historyFile) runner.EarlierRuns {
	return runner.EarlierRuns{Open: history.forReading, User: a.userName()}
}
