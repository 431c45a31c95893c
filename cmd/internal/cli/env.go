package cli

import (
	"cmp"
	"io"
	"os"
	"os/user"

	"tutti/fanout"
	"tutti/internal/terminal"
	"tutti/runner"
)

// Env is what a decision takes from the process.
func (s Streams) Env() *runner.Env {
	wd, err := os.Getwd()
	if err != nil {
		wd = "" // it was deleted: what is not named by a path from the root is not there
	}
	return &runner.Env{
		Getenv: s.Getenv, LookupEnv: s.LookupEnv, Environ: os.Environ(), Home: s.Home(), WorkDir: wd, User: s.UserName(),
		Stdin: s.In, Stderr: s.Err, Terminal: s.terminal(), Wording: Wording,
	}
}

// UserName is who the history says it was, and who logs in where nothing else
// is said.
func (s Streams) UserName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return s.Getenv("USER")
}

// terminal is the terminal that a command gets: one like the local one; nil: none.
func (s Streams) terminal() *fanout.PTY {
	for _, stream := range []io.Writer{s.Out, s.Err} {
		if columns, rows := terminal.Size(stream); columns > 0 && rows > 0 {
			return &fanout.PTY{Term: cmp.Or(s.Getenv("TERM"), "dumb"), Columns: columns, Rows: rows}
		}
	}
	return nil
}
