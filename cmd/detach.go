package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/client"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/place"
	"tutti/daemon"
	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/runner"
)

func (o *launchOptions) addDetachFlag(f *pflag.FlagSet) {
	f.BoolVar(&o.detach, "detach", false, "let tutti serve on this machine, or the server, execute the run, print its number, and do not wait")
}

// addDetachedCareFlags are those of commands whose runs can be detached.
func (o *launchOptions) addDetachedCareFlags(f *pflag.FlagSet) {
	o.addCareFlags(f)
	o.addDetachFlag(f)
}

// isSubmitted reports whether another process is asked to execute the run: a server, or
// the daemon of this machine.
func (o *launchOptions) isSubmitted() bool { return o.detach || o.there != nil }

// submit has a server, or the daemon of this machine, execute task; script is what the
// command line calls the script, if task is one.
func (c *console) submit(ctx context.Context, cmd *cobra.Command, o *launchOptions, selector string, task fanout.Task, script string) error {
	if o.detach {
		if err := checkDetached(cmd.Flags()); err != nil {
			return err
		}
	}
	s, err := c.newSubmission(ctx, o, selector, task, script)
	switch {
	case err != nil:
		return err
	case o.detach:
		return c.detach(ctx, o, s)
	}
	return c.launchThere(ctx, o, s)
}

// detach submits a run to the server, or to the daemon of this machine, and says how to
// watch it.
func (c *console) detach(ctx context.Context, o *launchOptions, s *submission) error {
	if err := runner.CheckRunIDFile(o.Record.RunIDFile); err != nil {
		return err
	}
	server := o.there
	if server == nil {
		var err error
		if server, err = c.daemonHere(ctx, o); err != nil {
			return err
		}
		defer server.Close()
	}
	run, err := server.Runner().Submit(ctx, s.body, s.operation...)
	if err != nil {
		return place.UsageOfServer(err)
	}
	for _, text := range run.Warnings {
		c.Warn(text)
	}
	id := run.Run.Run
	_, _ = fmt.Fprintf(c.Err, "%s; tutti show --follow %d%s shows it, tutti kill %[2]d%[3]s stops it\n", runText(id, run.Hosts), id, o.serverWords) // an error of stderr has nowhere to go
	return errors.Join(runner.WriteRunID(o.Record.RunIDFile, id), c.Print("%d\n", id))
}

// daemonHere is a client of the daemon that has the history of o.
func (c *console) daemonHere(ctx context.Context, o *launchOptions) (*client.Client, error) {
	history := &runner.History{Path: o.Record.History, Getenv: c.Getenv, Warn: func(string) {}}
	defer history.Close()
	path, err := history.Beside()
	if err != nil {
		return nil, err
	}
	socket := daemon.SocketPath(c.Getenv, path)
	if _, err := os.Stat(socket); err != nil {
		return nil, noDaemon(socket)
	}
	server, err := client.New(client.Config{Address: client.Address{Socket: socket}, Version: cli.ModuleVersion()})
	if err != nil {
		return nil, err
	}
	if err := c.checkServes(ctx, server, socket, history); err != nil {
		server.Close()
		return nil, socketError(err, socket)
	}
	return server, nil
}

// socketError is err of the daemon at a socket, or that there is none.
func socketError(err error, socket string) error {
	if advised := fault.Adviser(nil); errors.As(err, &advised) {
		if code, _ := advised.Advice(); code == client.AdviceSocket {
			return noDaemon(socket)
		}
	}
	return err
}

// noDaemon is the error of a socket that no daemon serves.
func noDaemon(socket string) error {
	return hint(fmt.Errorf("no daemon answers on %s; nothing was queued", socket), "start: tutti serve")
}

// checkDetached refuses flags that a run which is detached cannot have.
func checkDetached(f *pflag.FlagSet) (refused error) {
	f.Visit(func(flag *pflag.Flag) {
		_, isKey := runner.KeyNamed(flag.Name)
		reason := place.LocalReason(flag)
		switch {
		case refused != nil || aboutServer(flag) || slices.Contains([]string{"detach", "history", "outcome"}, flag.Name):
			return
		case !isKey:
			reason = "nothing of the run is shown or asked here; tutti show shows it"
		case reason == "":
			return
		}
		reason = strings.ReplaceAll(strings.ReplaceAll(reason, "the server", "the daemon"), "a server", "a daemon")
		refused = syntaxf("--%s cannot be combined with --detach: %s", flag.Name, reason)
	})
	return refused
}
