package cmd

import (
	"github.com/spf13/pflag"

	"tutti/internal/typed"
	"tutti/runner"
)

// requestOptions are what a request is given, and how its hosts are looked up.
type requestOptions struct {
	runner.Request
	runner.Lookup
}

func newRequestOptions() requestOptions { return requestOptions{Request: runner.NewRequest()} }

// flags are those of the request.
func (o *requestOptions) flags() requestFlags { return requestFlags{&o.Request} }

// requestFlags adds the flags of a request: names, kinds, defaults and checks are
// those of the keys; help is added here.
type requestFlags struct{ r *runner.Request }

// add adds the flag of a key.
func (x requestFlags) add(f *pflag.FlagSet, name, short, usage string) *pflag.Flag {
	flag := f.VarPF(x.r.Bind(name), name, short, usage)
	if key, _ := runner.KeyNamed(name); key.IsSwitch() {
		flag.NoOptDefVal = "true"
	}
	return flag
}

func (x requestFlags) addHosts(f *pflag.FlagSet) {
	x.addInventory(f)
	x.add(f, "hosts", "w", "these `HOSTS` instead of SELECTOR and inventory: web[1-9],db1:2222,root@10.0.0.7; @FILE: those in it, @-: in our standard input")
	x.addNarrowing(f)
}

func (x requestFlags) addInventory(f *pflag.FlagSet) {
	x.add(f, "inventory", "i", "inventory `FILE`, which is run if it is a program; a later one wins (default $TUTTI_INVENTORY, ./hosts.yaml, ~/.config/tutti/hosts.yaml, /etc/tutti/hosts.yaml)")
}

func (x requestFlags) addNarrowing(f *pflag.FlagSet) {
	x.add(f, "only", "", "of these hosts, keep those in `ITEM`")
	x.add(f, "exclude", "x", "leave out the hosts in `ITEM`")
	x.add(f, "limit", "", "keep the first `N` hosts")
	x.add(f, "pick", "", "keep `N` hosts at random")
}

func (x requestFlags) addTask(f *pflag.FlagSet) {
	x.add(f, "env", "e", "set `K=V` for the command; K alone takes the value from our environment, as a secret: it is recorded by name only")
	x.add(f, "dir", "", "run in `DIR`; a relative one is below the home of the user there")
	x.add(f, "stdin", "", "every host reads `FILE`, each at its own pace; - is our standard input")
	x.add(f, "sudo", "", "run as `USER`, by sudo; --sudo alone means root").NoOptDefVal = "root"
	x.add(f, "ask-sudo-pass", "", "ask for the password that sudo wants, once; a host has to take it before others get it")
	x.add(f, "sudo-pass-command", "", "the first line that `CMD` prints here is that password; CMD is recorded, so it must not hold it")
}

// addCommandTask adds also what makes no sense for a script, which is sent through
// the command's input.
func (x requestFlags) addCommandTask(f *pflag.FlagSet) {
	x.addTask(f)
	x.add(f, "pty", "", "give the command a terminal; what it says on stderr then comes on stdout")
}

// addConnect adds the limits that make sense without a command.
func (x requestFlags) addConnect(f *pflag.FlagSet) {
	x.add(f, "fanout", "f", "work on `N` hosts at once (default: all, up to 1024)")
	x.add(f, "connect-timeout", "", "give up on a login after `DURATION` (default: the inventory's, ssh_config's, 10s)")
	x.add(f, "deadline", "", "end the whole run after `DURATION` (default: never)")
	x.add(f, "retries", "", "try `N` times more (default: the inventory's, else 0)")
	x.add(f, "retry-delay", "", "wait `DURATION` before the second attempt, twice as long before each one after")
}

func (x requestFlags) addLimits(f *pflag.FlagSet) {
	x.addConnect(f)
	x.add(f, "timeout", "t", "end the command on a host after `DURATION`, for each attempt (default: the inventory's, else never)")
	x.add(f, "retry-on", "", "`OUTCOMES` that are tried again: unreachable, lost, timeout, failed")
	x.add(f, "kill-after", "", "when ending a command, send KILL `DURATION` after TERM")
	x.add(f, "drain", "", "after the command's exit, wait for output of what it left behind until none comes for `DURATION`")
}

func (x requestFlags) addRolling(f *pflag.FlagSet) {
	x.add(f, "batch", "", "go over the hosts in batches of `SIZES`, such as 1,10%,100%; the last repeats. A batch begins when the one before has ended")
	x.add(f, "pause", "", "wait `DURATION` between two batches")
	x.add(f, "max-fail", "", "begin nothing new once more than `N` hosts, or N% of all, are not ok (default with --batch: 0, else any number)")
}

func (x requestFlags) addLogin(f *pflag.FlagSet) {
	x.add(f, "user", "l", "log in as `USER` (default: the inventory's, ssh_config's, yours)")
	x.add(f, "port", "p", "connect to port `N` (default: the inventory's, ssh_config's, 22)")
	x.add(f, "identity", "", "log in with the key in `FILE`")
	x.add(f, "host-keys", "", "`MODE` strict: known keys only; accept-new: learn unknown ones; off: check nothing (default: the inventory's, ssh_config's, strict)")
	x.add(f, "jump", "J", "go through `HOST[,HOST]`, each user@host:port or a host of the inventory; none: straight (default: the inventory's, ssh_config's)")
	x.addSSHConfig(f)
	x.add(f, "ask-pass", "", "ask for a password to log in with where keys are not enough, once; a host has to take it before others get it")
	x.add(f, "known-hosts", "", "known_hosts `FILE` to use instead of ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts (default $TUTTI_KNOWN_HOSTS)")
}

func (x requestFlags) addSSHConfig(f *pflag.FlagSet) {
	x.add(f, "ssh-config", "F", "`FILE|none` instead of ~/.ssh/config and /etc/ssh/ssh_config")
}

func (x requestFlags) addRecord(f *pflag.FlagSet) {
	x.addHistory(f)
	x.add(f, "no-history", "", "record nothing")
	x.add(f, "note", "", "`TEXT` to find the run by")
	x.add(f, "run-id-file", "", "write the run's number to `FILE` as soon as there is one")
	x.add(f, "record-limit", "", "record at most `SIZE` of each output of a host: its head and its last 32KiB")
}

func (x requestFlags) addHistory(f *pflag.FlagSet) { x.add(f, "history", "", historyUsage) }

const historyUsage = "history `FILE` (default $TUTTI_HISTORY, $XDG_STATE_HOME/tutti/history.db, ~/.local/state/tutti/history.db)"

// addHistoryFlag is for commands that make no request.
func addHistoryFlag(f *pflag.FlagSet, path *string) { f.StringVar(path, "history", "", historyUsage) }

// outputOptions say what is shown, and how.
type outputOptions struct {
	fileOptions
	mode       typed.Choice
	fold       bool
	json       bool
	diff       bool
	timestamps bool
	noPrefix   bool
	raw        bool
	quiet      bool
	verbose    bool
	color      typed.Choice
	progress   typed.Choice
}

// The output modes.
const (
	modeStream = "stream"
	modeFold   = "fold"
	modeHost   = "host"
	modeJSON   = "json"
	modeNone   = "none"
)

func newOutputOptions() outputOptions {
	always := []string{"auto", "always", "never"}
	return outputOptions{
		mode:     typed.Choice{Word: modeStream, Of: []string{modeStream, modeFold, modeHost, modeJSON, modeNone}},
		color:    typed.Choice{Word: "auto", Of: always},
		progress: typed.Choice{Word: "auto", Of: always},
	}
}

func (o *outputOptions) addFlags(f *pflag.FlagSet) {
	o.addModeFlags(f)
	o.addTextFlags(f)
	o.addCommonFlags(f)
}

// addPingFlags are those that make sense without a command.
func (o *outputOptions) addPingFlags(f *pflag.FlagSet) {
	o.addModeFlags(f)
	o.addCommonFlags(f)
}

func (o *outputOptions) addModeFlags(f *pflag.FlagSet) {
	f.VarP(&o.mode, "output", "o", "`MODE` stream: lines as they come; fold: equal answers once; host: a block per host; json: events; none")
	f.BoolVarP(&o.fold, "fold", "b", false, "the same as -o fold")
	f.BoolVar(&o.json, "json", false, "the same as -o json")
}

// addTextFlags are those about what the hosts say.
func (o *outputOptions) addTextFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.diff, "diff", false, "fold, and show each group as its difference from the largest")
	f.BoolVar(&o.timestamps, "timestamps", false, "put the time (UTC) in front of each line")
}

func (o *outputOptions) addCommonFlags(f *pflag.FlagSet) {
	o.fileOptions.addFlags(f)
	f.BoolVar(&o.noPrefix, "no-prefix", false, "nothing on stdout but what the hosts sent")
	f.BoolVar(&o.raw, "raw", false, "let colour codes from the hosts pass on a terminal")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "say nothing if every host is ok, else only what is wrong")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "say on stderr what is done")
	f.Var(&o.color, "color", "colour `WHEN`: auto, always, never")
	f.Var(&o.progress, "progress", "progress on stderr `WHEN`: auto, always, never")
}

func (o *outputOptions) finalize(f *pflag.FlagSet) error {
	mode, source := o.mode.Word, "-o "+o.mode.Word
	for _, short := range []struct {
		on         bool
		flag, mode string
	}{{o.fold, "-b/--fold", modeFold}, {o.diff, "--diff", modeFold}, {o.json, "--json", modeJSON}} {
		if !short.on {
			continue
		}
		if (f.Changed("output") || source != "-o "+o.mode.Word) && mode != short.mode {
			return syntaxf("%s and %s exclude each other", source, short.flag)
		}
		mode, source = short.mode, short.flag
	}
	o.mode.Word = mode
	switch {
	case o.noPrefix && mode != modeStream && mode != modeHost && mode != modeFold:
		return syntaxf("--no-prefix does not go with %s", source)
	case o.quiet && mode == modeJSON:
		return syntaxf("-q/--quiet does not go with %s: every event is a line", source)
	case o.diff && o.noPrefix:
		return syntaxf("--diff and --no-prefix exclude each other")
	case o.timestamps && mode == modeJSON:
		return syntaxf("--timestamps does not go with %s: every event has its time", source)
	case o.timestamps && mode != modeStream:
		return syntaxf("--timestamps does not go with %s: only lines that are shown as they come have a time", source)
	case o.timestamps && (o.noPrefix || o.quiet):
		return syntaxf("--timestamps does not go with --no-prefix or -q/--quiet")
	}
	return nil
}
