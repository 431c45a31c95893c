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

// CheckTask reports a task that no host can be sent.
func CheckTask(task fanout.Task) error {
	if task.Job != nil {
		task = withJob(task, fanout.Attempt{})
	}
	if n := len(remote.NewOrder(&task, nil).Command); n > maxCommand {
		return fmt.Errorf("the command with its surroundings takes %d KiB to send, and SSH carries %d KiB: send what is large as --stdin or as a script", n>>10, maxCommand>>10)
	}
	return nil
}
