package ssh

import (
	"fmt"

	"tutti/fanout"
	"tutti/ssh/remote"
)

// withVariables is task with the variables that it has on one host, by whose endpoint e
// it is reached, beside its own: those that name the host, those of the inventory, and
// those that name its job. All are the task's own then. Of several of one name the later
// counts, and the task's own are the last.
func withVariables(task fanout.Task, a fanout.Attempt, e *Endpoint) fanout.Task {
	if !task.HostEnv && len(a.Target.Env) == 0 && task.Job == nil {
		return task
	}
	var vars []fanout.Variable
	if task.HostEnv {
		vars = a.HostVariables(e.Address, e.User)
	}
	vars = append(vars, a.Target.Env...)
	if task.Job != nil {
		vars = append(vars, task.Job.Variables(a)...)
	}
	task.Env = append(vars, task.Env...)
	task.HostEnv, task.Job = false, nil
	return task
}

// maxCommand is the longest command line that a request carries: a packet has
// at most 256 KiB, and a server drops the connection over a longer one.
const maxCommand = 255 << 10

// A TooLongError is a task whose command and environment are too long for one request.
type TooLongError struct{ Size, Limit int } // in bytes

// Error gives the size and the limit.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("command plus environment is %d KiB, over the SSH limit of %d KiB", e.Size>>10, e.Limit>>10)
}

// Advice is to send less.
func (e *TooLongError) Advice() (code string, args []any) { return AdviceTooLong, nil }

// CheckTask returns a *TooLongError if the task, with what names its job, is too long for
// one request on any host.
func CheckTask(task fanout.Task) error {
	task.HostEnv = false
	return CheckTaskOn(task, fanout.Target{}, &Endpoint{})
}

// CheckTaskOn returns a *TooLongError if the task is too long for one request to the
// target, with all variables that it has there.
func CheckTaskOn(task fanout.Task, t fanout.Target, e *Endpoint) error {
	task = withVariables(task, fanout.Attempt{Target: t}, e)
	if n := len(remote.NewOrder(&task, nil).Command); n > maxCommand {
		return &TooLongError{Size: n, Limit: maxCommand}
	}
	return nil
}
