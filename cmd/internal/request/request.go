// Package request makes requests of the command line: the flags of their keys, the hosts that
// -w names in files, and the hosts that a selector chooses.
package request

import (
	"github.com/spf13/pflag"

	"tutti/cmd/internal/place"
	"tutti/runner"
)

// Options are a request and how its hosts are looked up.
type Options struct {
	runner.Request
	runner.Lookup
}

// New is a request with the defaults of all keys.
func New() Options { return Options{Request: runner.NewRequest()} }

// Flags are those of the request.
func (o *Options) Flags() Flags { return Flags{&o.Request} }

// Flags adds the flags of a request: names, kinds, defaults and checks are
// those of the keys; help is added here.
type Flags struct{ r *runner.Request }

// add adds the flag of a key.
func (x Flags) add(f *pflag.FlagSet, name, short, usage string) *pflag.Flag {
	flag := f.VarPF(x.r.Bind(name), name, short, usage)
	if key, _ := runner.KeyNamed(name); key.IsSwitch() {
		flag.NoOptDefVal = "true"
	}
	return flag
}

// AddHosts adds the flags that choose the hosts.
func (x Flags) AddHosts(f *pflag.FlagSet) {
	x.AddInventory(f)
	x.add(f, "hosts", "w", "use `HOSTS` instead of SELECTOR and inventory: web[1-9],db1:2222,root@10.0.0.7; @FILE: hosts in FILE, @-: on standard input")
	x.AddNarrowing(f)
}

// AddInventory adds the flag of the inventory.
func (x Flags) AddInventory(f *pflag.FlagSet) {
	x.add(f, "inventory", "i", "read the inventory from `FILE`, or from its output if executable; repeatable, later files override (default $TUTTI_INVENTORY, ./hosts.yaml, ~/.config/tutti/hosts.yaml, /etc/tutti/hosts.yaml)")
}

// AddNarrowing adds the flags that leave out hosts of those that were chosen.
func (x Flags) AddNarrowing(f *pflag.FlagSet) {
	x.add(f, "only", "", "keep only the hosts in `ITEM`")
	x.add(f, "exclude", "x", "exclude the hosts in `ITEM`")
	x.add(f, "limit", "", "keep the first `N` hosts")
	x.add(f, "pick", "", "keep `N` random hosts")
}

// AddTask adds the flags about the environment of a command or a script.
func (x Flags) AddTask(f *pflag.FlagSet) {
	x.add(f, "env", "e", "set `K=V` for the command; K alone passes the local value, which is not recorded")
	x.add(f, "host-env", "", "set variables for the command that name its host: TUTTI_HOST, TUTTI_ADDRESS, TUTTI_USER, TUTTI_INDEX (from 0), TUTTI_HOSTS (how many), TUTTI_RUN, TUTTI_ATTEMPT, and TUTTI_LABEL_NAME for each label")
	x.add(f, "dir", "", "working directory `DIR` (relative to the remote home)")
	x.add(f, "stdin", "", "send `FILE` to the command's standard input on every host; -: tutti's own standard input")
	x.AddSudo(f)
}

// AddSudo adds the flags about another user.
func (x Flags) AddSudo(f *pflag.FlagSet) {
	x.add(f, "sudo", "", "run with sudo, as `USER` (default root)").NoOptDefVal = "root"
	x.add(f, "ask-sudo-pass", "", "ask once for the sudo password; it is tried on one host first")
	x.add(f, "sudo-pass-command", "", "read the sudo password from the first line of the output of the local `CMD` (CMD is recorded: do not put the password in it)")
}

// AddCommandTask also adds flags that make no sense for a script, which is sent through
// the command's input.
func (x Flags) AddCommandTask(f *pflag.FlagSet) {
	x.AddTask(f)
	x.add(f, "pty", "", "allocate a terminal for the command; stderr is merged into stdout")
}

// AddConnect adds the limits that make sense without a command.
func (x Flags) AddConnect(f *pflag.FlagSet) {
	x.add(f, "fanout", "f", "work on `N` hosts at once (default: all, up to 1024)")
	x.add(f, "connect-timeout", "", "give up on a login after `DURATION` (default: inventory, ssh_config, 10s)")
	x.add(f, "deadline", "", "stop the whole run after `DURATION` (default: never)")
	x.add(f, "retries", "", "retry a host up to `N` times (default: inventory, else 0)")
	x.add(f, "retry-delay", "", "wait `DURATION` before the first retry, and twice as long before each further one")
}

// AddLimits adds the limits of a run.
func (x Flags) AddLimits(f *pflag.FlagSet) {
	x.AddConnect(f)
	x.add(f, "timeout", "t", "stop the command on a host after `DURATION`, per attempt (default: inventory, else never)")
	x.add(f, "retry-on", "", "retry on `OUTCOMES`: unreachable, lost, timeout, failed")
	x.add(f, "kill-after", "", "when stopping a command, send KILL `DURATION` after TERM")
	x.add(f, "drain", "", "after the command exits, keep reading the output of its background processes until it is silent for `DURATION`")
}

// AddRolling adds the flags of a run in batches.
func (x Flags) AddRolling(f *pflag.FlagSet) {
	x.add(f, "batch", "", "run in batches of `SIZES`, such as 1,10%,100% (the last repeats); a batch starts when the previous one has finished")
	x.add(f, "pause", "", "wait `DURATION` between batches")
	x.add(f, "max-fail", "", "start no more hosts once more than `N` hosts, or N% of all, are not ok (default with --batch: 0, else no limit)")
}

// AddLogin adds the flags about how to log in to hosts.
func (x Flags) AddLogin(f *pflag.FlagSet) {
	x.addLogin(f, "p")
	x.add(f, "persist", "", "keep connections open for `DURATION` after their last use, for later commands; tutti keep lists them (default: ssh_config's ControlPersist, else closed)")
	x.add(f, "persist-max", "", "keep at most `N` connections open (default 4096)")
}

// addLogin has another short name for the port; empty: none.
func (x Flags) addLogin(f *pflag.FlagSet, port string) {
	x.add(f, "user", "l", "log in as `USER` (default: inventory, ssh_config, your user name)")
	x.add(f, "port", port, "connect to port `N` (default: inventory, ssh_config, 22)")
	x.add(f, "identity", "", "log in with the key in `FILE`")
	x.add(f, "host-keys", "", "check host keys by `MODE`: strict (known keys only), accept-new (add unknown keys), off (no check) (default: inventory, ssh_config, strict)")
	x.add(f, "jump", "J", "connect through `HOST[,HOST]`, each user@host:port or an inventory host; none: connect directly (default: inventory, ssh_config)")
	x.AddSSHConfig(f)
	x.add(f, "ask-pass", "", "ask once for a login password, for hosts where keys are not enough; it is tried on one host first")
	x.add(f, "known-hosts", "", "use known_hosts `FILE` instead of ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts (default $TUTTI_KNOWN_HOSTS)")
}

// AddSSHConfig adds the flag of ssh_config.
func (x Flags) AddSSHConfig(f *pflag.FlagSet) {
	x.add(f, "ssh-config", "F", "use ssh_config `FILE|none` instead of ~/.ssh/config and /etc/ssh/ssh_config")
}

// AddRecord adds the flags about the record of a run.
func (x Flags) AddRecord(f *pflag.FlagSet) {
	x.AddHistory(f)
	x.add(f, "no-history", "", "do not record the run")
	x.add(f, "note", "", "record `TEXT` with the run; tutti history finds it")
	x.add(f, "run-id-file", "", "write the run's number to `FILE` as soon as it is known")
	x.add(f, "record-limit", "", "record at most `SIZE` of each output stream of a host: its head and its last 32KiB")
}

// AddHistory adds the flag of the history.
func (x Flags) AddHistory(f *pflag.FlagSet) { x.add(f, "history", "", place.HistoryUsage) }
