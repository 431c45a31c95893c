package cmd

import (
	"context"
	"fmt"

	"tutti/fanout"
)

// launchTask makes task ready with what the flags say, and launches it.
func (c *console) launchTask(ctx context.Context, o *launchOptions, selector string, task fanout.Task) error {
	r, err := c.Env().Prepare(&o.Task, task)
	if err != nil {
		return err
	}
	defer r.Close()
	return c.launch(ctx, o, selector, r)
}

// environmentText describes the environment of t: user, directory, variables, input,
// terminal and script.
func environmentText(t fanout.Task) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if t.Sudo != nil {
		add("as %s, with sudo", t.Sudo.User)
	}
	if t.Dir != "" {
		add("in %s", t.Dir)
	}
	for _, v := range t.Env {
		if v.Secret != nil {
			add("with %s, a secret", v.Name)
			continue
		}
		add("with %s=%s", v.Name, v.Value)
	}
	if t.HostEnv {
		add("with variables that name the host")
	}
	if t.StdinName != "" {
		add("reading %s", t.StdinName)
	}
	if t.PTY != nil {
		add("on a terminal of %d columns and %d rows", t.PTY.Columns, t.PTY.Rows)
	}
	if s, ok := t.Action.(*fanout.Script); ok {
		add("the script has %d bytes and SHA-256 %s", s.Size, s.SHA256)
	}
	return out
}
