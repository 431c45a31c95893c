package cmd

import (
	"context"
	"strconv"

	"github.com/spf13/pflag"

	"tutti/client"
	"tutti/fanout"
)

// rerunThere has a server, or the daemon of this machine, repeat the run that ref names.
func rerunThere(ctx context.Context, c *console, f *pflag.FlagSet, o *rerunOptions, ref string) error {
	if o.detach {
		if err := checkDetached(f); err != nil {
			return err
		}
	}
	if o.yes {
		return hint(usagef("--yes does not leave hosts out with a server"), "-x leaves hosts out")
	}
	server := o.there
	if server == nil {
		var err error
		if server, err = c.daemonHere(ctx, o.launchOptions); err != nil {
			return err
		}
		defer server.Close()
	}
	s, err := c.rerunSubmission(ctx, f, o, server, ref)
	switch {
	case err != nil || s == nil:
		return err
	case o.detach:
		return c.detach(ctx, o.launchOptions, s)
	}
	return c.launchThere(ctx, o.launchOptions, s)
}

// rerunSubmission is the repetition of the run that ref names; nil if there is nothing to
// repeat, which it has said.
func (c *console) rerunSubmission(ctx context.Context, f *pflag.FlagSet, o *rerunOptions, server *client.Client, ref string) (*submission, error) {
	s := &submission{body: map[string]any{}}
	// The server has what the run was given: it gets what is given now.
	if err := c.addKeys(&o.Request, s.body); err != nil {
		return nil, err
	}
	warn := c.Warn
	if o.quiet {
		warn = func(text string) { s.warnings = append(s.warnings, text) }
	}
	again, err := repeatRun(ctx, c, f, o, server.History(), ref, warn)
	if err != nil || again == nil {
		return nil, err
	}
	s.operation = []string{"runs", strconv.FormatInt(again.run.ID, 10), "rerun"}
	switch {
	case o.outcomes.all:
		s.body["all"] = true
	case o.outcomes.set:
		s.body["outcomes"] = again.outcomes
	}
	if err := c.addEnvironment(s, o.launchOptions, fanout.Task{}); err != nil {
		return nil, err
	}
	s.task.Action = again.task.Action
	return s, nil
}
