package ssh

import (
	"fmt"

	"tutti/fanout"
	"tutti/ssh/remote"
)

// withJob is task with the variables that name its job and the attempt. One of
// the task's own of the same name comes later, and counts.
func withJob(task fanout.Task, a fanout.Attempt) fanout.Task {
	task.Env = append(task.Job.Variables(a), task.Env...)
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

// CheckTask returns a *TooLongError if the task is too long for one request.
func CheckTask(task fanout.Task) error {
	if task.Job != nil {
		task = withJob(task, fanout.Attempt{})
	}
	if n := len(remote.NewOrder(&task, nil).Command); n > maxCommand {
		return &TooLongError{Size: n, Limit: maxCommand}
	}
	return nil
}
