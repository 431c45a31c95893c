package cmd

import (
	"os"
	"slices"
	"strings"

	"tutti/runner"
)

// neverSecret are variables that programs need to find their way. -e without a
// value may send them to hosts, but nobody hides them.
var neverSecret = []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "TZ", "TMPDIR", "SSH_AUTH_SOCK"}

// childEnv is the environment of every program that a launch starts on this
// machine: all but the variables that -e sends to the hosts as secrets.
func childEnv(task *runner.Task) []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(task.Env, name) && !slices.Contains(neverSecret, name) && !strings.HasPrefix(name, "LC_")
	})
}
