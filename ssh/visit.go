package ssh

import (
	"context"
	"io"

	"tutti/fanout"
)

// Visitor is c for hosts that are to be looked at: a task without a command
// logs in and also opens a session channel, which is closed without a request.
// So a host is found that lets us in and then serves nothing. A login shell or
// a forced command that refuses is not: that shows only when something is run.
func (c *Client) Visitor() fanout.Executor { return visitor{c} }

type visitor struct{ *Client }

// Exec makes one attempt, as fanout.Executor says.
func (v visitor) Exec(ctx context.Context, a fanout.Attempt, task fanout.Task, stdout, stderr io.Writer) fanout.Report {
	if task.Runs() {
		return v.Client.Exec(ctx, a, task, stdout, stderr)
	}
	var report fanout.Report
	ep, f := v.endpointOf(a.Target)
	if f != nil {
		report.Failure = f
		return report
	}
	report.Address = ep.address()
	s, f := v.open(ctx, a.Target, ep, &report)
	if f != nil {
		report.Failure = v.hint.about(a.Target.Name, f)
		return report
	}
	s.abandon()
	v.drop(a.Target, s.conn)
	return report
}
