package cmd

import (
	"context"
	"os"
	"os/user"

	"tutti/runner"
)

// env is what a decision takes from the process.
func (s Streams) env() *runner.Env {
	wd, err := os.Getwd()
	if err != nil {
		wd = "" // it was deleted: what is not named by a path from the root is not there
	}
	return &runner.Env{
		Getenv: s.Getenv, LookupEnv: s.LookupEnv, Environ: os.Environ(), Home: s.home(), WorkDir: wd, User: s.userName(),
		Stdin: s.In, Stderr: s.Err, Terminal: s.terminal(), Wording: wording,
	}
}

// userName is who the history says it was, and who logs in where nothing else
// is said.
func (s Streams) userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return s.Getenv("USER")
}

// choose loads the inventory and selects from it.
func choose(ctx context.Context, std Streams, o *requestOptions, selector string, history *runner.History) (*runner.Selection, error) {
	o.Runs = earlierRuns(std, history)
	return std.env().Choose(ctx, &o.Request, &o.Lookup, selector)
}

// earlierRuns are those of history.
func earlierRuns(std Streams, history *runner.History) runner.EarlierRuns {
	return runner.EarlierRuns{Open: history.ForReading, User: std.userName()}
}
