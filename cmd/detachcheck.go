package cmd

import (
	"context"

	"tutti/client"
	"tutti/runner"
)

// checkServes refuses a daemon that has another history than this one: the run would not be
// in the history of who submitted it.
func (c *console) checkServes(ctx context.Context, server *client.Client, socket string, history *runner.History) error {
	self, err := server.Queue().Daemon(ctx)
	if err != nil {
		return err
	}
	name, err := history.Name()
	if err != nil {
		return err
	}
	other := hint(usagef("the daemon on %s has another history than %s; nothing was queued", socket, name),
		"tutti serve --history "+shellWord(name)+" --socket FILE starts one for it; --history names the other")
	s, err := history.ForReading(ctx)
	if err != nil {
		return other // or it could not be asked for the run
	}
	daemons, err := s.Daemons(ctx)
	if err != nil {
		return err
	}
	for _, d := range daemons {
		if d.ID == self.Daemon && d.PID == self.PID {
			return nil
		}
	}
	return other
}
