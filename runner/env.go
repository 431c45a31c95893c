package runner

import (
	"io"
	"path/filepath"
	"slices"
	"strings"

	"tutti/fanout"
	"tutti/internal/fault"
)

// An Env is what a decision needs from the process and its user. It is data, so that a
// decision depends on it and on files alone. It is read-only, and may be used by many
// launches at once.
type Env struct {
	Getenv func(string) string
	// LookupEnv says also whether a variable is set.
	LookupEnv func(string) (string, bool)
	Environ   []string
	Home      string // empty: there is none
	WorkDir   string // empty: it was deleted
	User      string // empty: the system does not know

	// Stdin is what a request calls standard input. Stderr receives the standard error
	// of programs that print passwords; nil: it is discarded.
	Stdin  io.Reader
	Stderr io.Writer
	// Wording has the words for keys and advice in warnings.
	Wording fault.Wording
	// Terminal is the terminal for a command that requests one; nil: a dumb one.
	Terminal *fanout.PTY
}

// neverSecret are variables that local programs need: a request may send them to
// hosts by name, but they are not treated as secrets.
var neverSecret = []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "TZ", "TMPDIR", "SSH_AUTH_SOCK"}

// forPrograms is the environment of every program that a run of task starts on
// this machine: all but the variables that go to the hosts as secrets.
func (env *Env) forPrograms(task *Task) []string {
	return slices.DeleteFunc(slices.Clone(env.Environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(task.Env, name) && !slices.Contains(neverSecret, name) && !strings.HasPrefix(name, "LC_")
	})
}

// DefaultIdentities are the usual names of private keys, in the order in which
// ssh tries them.
func (env *Env) DefaultIdentities() []string {
	if env.Home == "" {
		return nil
	}
	var paths []string
	for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		paths = append(paths, filepath.Join(env.Home, ".ssh", name))
	}
	return paths
}

// KnownHosts are the files of known hosts, in the order in which they are read;
// new keys go to the first. given is the one that was named; empty: none.
func (env *Env) KnownHosts(given string) []string {
	if given != "" {
		return []string{given}
	}
	return append(env.usersKnownHosts(), globalKnownHosts()...)
}

func (env *Env) usersKnownHosts() []string {
	if env.Home == "" {
		return nil
	}
	return []string{filepath.Join(env.Home, ".ssh", "known_hosts")}
}

func globalKnownHosts() []string { return []string{"/etc/ssh/ssh_known_hosts"} }
