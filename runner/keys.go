package runner

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tutti/internal/fault"
	"tutti/internal/typed"
	"tutti/inventory"
)

// A Use says where a key applies.
type Use uint8

// The uses of a key.
const (
	ForRun Use = 1 << iota
	ForScript
	ForPing
	ForRerun // it is repeated by a rerun of the run
	ForJob   // it may be an option of a job

	forTasks = ForRun | ForScript
	forAll   = forTasks | ForPing
)

// A Key is one setting of a request.
type Key struct {
	// Name is the key's name, as a flag has it: connect-timeout.
	Name string
	// Uses are where it applies.
	Uses Use
	// File says that its text is the path of a file on this machine.
	File bool
	// NotInJobs is why a job cannot have it, if that needs an explanation.
	NotInJobs error

	// local reports whether a text acts on this machine; nil: no text does.
	local func(text string) bool
	// value is the key's place in a request.
	value func(*Request) typed.Value
}

// Option is the key's name as a file has it: connect_timeout.
func (k *Key) Option() string { return strings.ReplaceAll(k.Name, "-", "_") }

// IsFor reports whether it applies to use.
func (k *Key) IsFor(use Use) bool { return k.Uses&use != 0 }

// Kind is the type of its value: string, list, int, bool, DURATION, …
func (k *Key) Kind() string { return k.value(&Request{}).Type() }

// IsSwitch reports whether it is on or off.
func (k *Key) IsSwitch() bool {
	_, on := k.value(&Request{}).(*typed.Switch)
	return on
}

// isList reports whether it may be given several times, and keeps all texts.
func (k *Key) isList() bool {
	_, list := k.value(&Request{}).(*typed.List)
	return list
}

// Local reports whether text, as the key's value, acts on the machine of this process:
// on its files, commands, terminal, or on which hosts and keys it trusts. Such a value
// must never come from a request over the network.
func (k *Key) Local(text string) bool { return k.local != nil && k.local(text) }

func always(string) bool { return true }

// isBare reports whether a variable has no value of its own, so that it takes that of
// this process.
func isBare(variable string) bool { return !strings.Contains(variable, "=") }

// namesFiles reports whether a selector names files that have hosts.
func namesFiles(selector string) bool {
	sel, err := inventory.ParseSelector(selector)
	return err == nil && len(sel.Files()) > 0
}

// keys is the table, in the order of help.
var keys = slices.Concat(hostKeys, taskKeys, limitKeys, rollingKeys, loginKeys, recordKeys)

var hostKeys = []Key{
	{Name: "inventory", Uses: forAll | ForRerun, File: true, local: always, value: func(r *Request) typed.Value { return (*typed.List)(&r.Hosts.Inventory) }},
	{Name: "hosts", Uses: forAll | ForRerun | ForJob, local: always, value: func(r *Request) typed.Value { return (*typed.Text)(&r.Hosts.Named) }},
	{Name: "only", Uses: forAll | ForJob, local: namesFiles, value: func(r *Request) typed.Value { return (*typed.List)(&r.Hosts.Only) }},
	{Name: "exclude", Uses: forAll | ForJob, local: namesFiles, value: func(r *Request) typed.Value { return (*typed.List)(&r.Hosts.Exclude) }},
	{Name: "limit", Uses: forAll | ForJob, value: func(r *Request) typed.Value { return (*typed.Number)(&r.Hosts.Limit) }},
	{Name: "pick", Uses: forAll | ForJob, value: func(r *Request) typed.Value { return (*typed.Number)(&r.Hosts.Pick) }},
}

var taskKeys = []Key{
	{Name: "env", Uses: forTasks | ForRerun | ForJob, local: isBare, value: func(r *Request) typed.Value { return (*typed.List)(&r.Task.Env) }},
	{Name: "host-env", Uses: forTasks | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Switch)(&r.Task.HostEnv) }},
	{Name: "dir", Uses: forTasks | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Text)(&r.Task.Dir) }},
	{Name: "stdin", Uses: forTasks | ForRerun | ForJob, File: true, local: always, value: func(r *Request) typed.Value { return (*typed.Text)(&r.Task.Stdin) }},
	{Name: "sudo", Uses: forTasks | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Text)(&r.Task.Sudo) }},
	{
		Name: "ask-sudo-pass", Uses: forTasks | ForRerun, local: always, value: func(r *Request) typed.Value { return (*typed.Switch)(&r.Task.AskSudoPass) },
		NotInJobs: fault.Errorf("jobs cannot prompt; use %s", fault.Key("sudo-pass-command")),
	},
	{Name: "sudo-pass-command", Uses: forTasks | ForRerun | ForJob, local: always, value: func(r *Request) typed.Value { return (*typed.Text)(&r.Task.SudoPassCommand) }},
	{Name: "pty", Uses: ForRun | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Switch)(&r.Task.PTY) }},
}

var limitKeys = []Key{
	{Name: "fanout", Uses: forAll | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Number)(&r.Limits.Fanout) }},
	{Name: "connect-timeout", Uses: forAll | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Duration)(&r.Limits.ConnectTimeout) }},
	{Name: "deadline", Uses: forAll | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Duration)(&r.Limits.Deadline) }},
	{Name: "retries", Uses: forAll | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Number)(&r.Limits.Retries) }},
	{Name: "retry-delay", Uses: forAll | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Duration)(&r.Limits.RetryDelay) }},
	{Name: "timeout", Uses: forTasks | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Duration)(&r.Limits.Timeout) }},
	{Name: "retry-on", Uses: forTasks | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Retryable)(&r.Limits.RetryOn) }},
	{Name: "kill-after", Uses: forTasks | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Duration)(&r.Limits.KillAfter) }},
	{Name: "drain", Uses: forTasks | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Duration)(&r.Limits.Drain) }},
}

var rollingKeys = []Key{
	{Name: "batch", Uses: forTasks | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Shares)(&r.Rolling.Batch) }},
	{Name: "pause", Uses: forTasks | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Duration)(&r.Rolling.Pause) }},
	{Name: "max-fail", Uses: forTasks | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Shares)(&r.Rolling.MaxFail) }},
}

var loginKeys = []Key{
	{Name: "user", Uses: forAll | ForRerun | ForJob, value: func(r *Request) typed.Value { return (*typed.Text)(&r.Login.User) }},
	{Name: "port", Uses: forAll | ForRerun | ForJob, local: always, value: func(r *Request) typed.Value { return (*typed.Number)(&r.Login.Port) }},
	{Name: "identity", Uses: forAll | ForRerun | ForJob, File: true, local: always, value: func(r *Request) typed.Value { return (*typed.List)(&r.Login.Identity) }},
	{Name: "host-keys", Uses: forAll | ForRerun | ForJob, local: always, value: func(r *Request) typed.Value { return (*hostKeyMode)(&r.Login.HostKeys) }},
	{Name: "jump", Uses: forAll | ForRerun | ForJob, local: always, value: func(r *Request) typed.Value { return (*typed.Text)(&r.Login.Jump) }},
	{Name: "ssh-config", Uses: forAll | ForRerun | ForJob, File: true, local: always, value: func(r *Request) typed.Value { return (*sshConfigFile)(&r.Login.SSHConfig) }},
	{
		Name: "ask-pass", Uses: forAll | ForRerun, local: always, value: func(r *Request) typed.Value { return (*typed.Switch)(&r.Login.AskPass) },
		NotInJobs: errors.New("jobs cannot prompt; log in with a key"),
	},
	{
		Name: "persist", Uses: forAll | ForRerun, local: always, value: func(r *Request) typed.Value { return (*typed.Duration)(&r.Login.Persist) },
		NotInJobs: errors.New("the daemon has connections of its own"),
	},
	{
		Name: "persist-max", Uses: forAll | ForRerun, local: always, value: func(r *Request) typed.Value { return (*typed.Number)(&r.Login.PersistMax) },
		NotInJobs: errors.New("the daemon has connections of its own"),
	},
	{Name: "known-hosts", Uses: forAll | ForRerun | ForJob, File: true, local: always, value: func(r *Request) typed.Value { return (*typed.Text)(&r.Login.KnownHosts) }},
}

var recordKeys = []Key{
	{Name: "history", Uses: forAll, File: true, local: always, value: func(r *Request) typed.Value { return (*typed.Text)(&r.Record.History) }},
	{
		Name: "no-history", Uses: forAll, local: always, value: func(r *Request) typed.Value { return (*typed.Switch)(&r.Record.Off) },
		NotInJobs: errors.New("job runs are always recorded"),
	},
	{Name: "note", Uses: forAll | ForJob, value: func(r *Request) typed.Value { return (*typed.Text)(&r.Record.Note) }},
	{
		Name: "run-id-file", Uses: forAll, File: true, local: always, value: func(r *Request) typed.Value { return (*typed.Text)(&r.Record.RunIDFile) },
		NotInJobs: fault.Errorf("a job has many runs; %s has their numbers", fault.Command("job log")),
	},
	{Name: "record-limit", Uses: forAll | ForJob, value: func(r *Request) typed.Value { return (*typed.Size)(&r.Record.Limit) }},
}

// Keys are those of the table, in the order of help.
func Keys() []Key { return slices.Clone(keys) }

// lookup finds a key by its name; nil: there is none.
func lookup(name string) *Key {
	if i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == name }); i >= 0 {
		return &keys[i]
	}
	return nil
}

// KeyNamed finds a key by its name.
func KeyNamed(name string) (Key, bool) {
	if k := lookup(name); k != nil {
		return *k, true
	}
	return Key{}, false
}

// Set parses text as the value of the key of that name, and appends it if the key is a
// list.
func (r *Request) Set(name, text string) error {
	k := lookup(name)
	if k == nil {
		return fmt.Errorf("unknown key %s", name)
	}
	if err := k.value(r).Set(text); err != nil {
		return err
	}
	r.given[name] = true
	return nil
}

// Get returns the value of the key of that name as texts for Set: one, unless the key
// is a list.
func (r *Request) Get(name string) []string {
	k := lookup(name)
	if k == nil {
		return nil
	}
	value := k.value(r)
	if list, ok := value.(*typed.List); ok {
		return slices.Clone(*list)
	}
	return []string{value.String()}
}
