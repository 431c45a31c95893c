package cmd

import (
	"context"
	"os"
	"os/user"

	"tutti/runner"
)

// env is what a decision takes from the process.
func (a *app) env() *runner.Env {
	wd, err := os.Getwd()
	if err != nil {
		wd = "" // it was deleted: what is not named by a path from the root is not there
	}
	return &runner.Env{
		Getenv: a.Getenv, LookupEnv: a.LookupEnv, Environ: os.Environ(), Home: a.home(), WorkDir: wd, User: a.userName(),
		Stdin: a.In, Stderr: a.Err, Terminal: a.terminal(),
	}
}

// userName is who the history says it was, and who logs in where nothing else
// is said.
func (a *app) userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return a.Getenv("USER")
}

// choose loads the inventory and selects from it.
func (a *app) choose(ctx context.Context, o *requestOptions, selector string, history *runner.History) (*runner.Selection, error) {
	o.Runs = a.earlierRuns(history)
	return a.env().Choose(ctx, &o.Request, &o.Lookup, selector)
}

// earlierRuns are those of history.
func (a *app) earlierRuns(history *runner.History) runner.EarlierRuns {
	return runner.EarlierRuns{Open: history.ForReading, User: a.userName()}
}
