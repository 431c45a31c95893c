package cmd

import (
	"github.com/spf13/pflag"

	"tutti/cmd/internal/place"
	"tutti/internal/typed"
	"tutti/runner"
)

// requestOptions are a request and how its hosts are looked up.
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
	x.add(f, "hosts", "w", "use `HOSTS` instead of SELECTOR and inventory: web[1-9],db1:2222,root@10.0.0.7; @FILE: hosts in FILE, @-: on standard input")
	x.addNarrowing(f)
}

func (x requestFlags) addInventory(f *pflag.FlagSet) {
	x.add(f, "inventory", "i", "read the inventory from `FILE`, or from its output if executable; repeatable, later files override (default $TUTTI_INVENTORY, ./hosts.yaml, ~/.config/tutti/hosts.yaml, /etc/tutti/hosts.yaml)")
}

func (x requestFlags) addNarrowing(f *pflag.FlagSet) {
	x.add(f, "only", "", "keep only the hosts in `ITEM`")
	x.add(f, "exclude", "x", "exclude the hosts in `ITEM`")
	x.add(f, "limit", "", "keep the first `N` hosts")
	x.add(f, "pick", "", "keep `N` random hosts")
}

func (x requestFlags) addTask(f *pflag.FlagSet) {
	x.add(f, "env", "e", "set `K=V` for the command; K alone passes the local value, which is not recorded")
	x.add(f, "dir", "", "working directory `DIR` (relative to the remote home)")
	x.add(f, "stdin", "", "send `FILE` to the command's standard input on every host; -: tutti's own standard input")
	x.add(f, "sudo", "", "run with sudo, as `USER` (default root)").NoOptDefVal = "root"
	x.add(f, "ask-sudo-pass", "", "ask once for the sudo password; it is tried on one host first")
	x.add(f, "sudo-pass-command", "", "read the sudo password from the first line of the output of the local `CMD` (CMD is recorded: do not put the password in it)")
}

// addCommandTask also adds flags that make no sense for a script, which is sent through
// the command's input.
func (x requestFlags) addCommandTask(f *pflag.FlagSet) {
	x.addTask(f)
	x.add(f, "pty", "", "allocate a terminal for the command; stderr is merged into stdout")
}

// addConnect adds the limits that make sense without a command.
func (x requestFlags) addConnect(f *pflag.FlagSet) {
	x.add(f, "fanout", "f", "work on `N` hosts at once (default: all, up to 1024)")
	x.add(f, "connect-timeout", "", "give up on a login after `DURATION` (default: inventory, ssh_config, 10s)")
	x.add(f, "deadline", "", "stop the whole run after `DURATION` (default: never)")
	x.add(f, "retries", "", "retry a host up to `N` times (default: inventory, else 0)")
	x.add(f, "retry-delay", "", "wait `DURATION` before the first retry, and twice as long before each further one")
}

func (x requestFlags) addLimits(f *pflag.FlagSet) {
	x.addConnect(f)
	x.add(f, "timeout", "t", "stop the command on a host after `DURATION`, per attempt (default: inventory, else never)")
	x.add(f, "retry-on", "", "retry on `OUTCOMES`: unreachable, lost, timeout, failed")
	x.add(f, "kill-after", "", "when stopping a command, send KILL `DURATION` after TERM")
	x.add(f, "drain", "", "after the command exits, keep reading the output of its background processes until it is silent for `DURATION`")
}

func (x requestFlags) addRolling(f *pflag.FlagSet) {
	x.add(f, "batch", "", "run in batches of `SIZES`, such as 1,10%,100% (the last repeats); a batch starts when the previous one has finished")
	x.add(f, "pause", "", "wait `DURATION` between batches")
	x.add(f, "max-fail", "", "start no more hosts once more than `N` hosts, or N% of all, are not ok (default with --batch: 0, else no limit)")
}

func (x requestFlags) addLogin(f *pflag.FlagSet) {
	x.add(f, "user", "l", "log in as `USER` (default: inventory, ssh_config, your user name)")
	x.add(f, "port", "p", "connect to port `N` (default: inventory, ssh_config, 22)")
	x.add(f, "identity", "", "log in with the key in `FILE`")
	x.add(f, "host-keys", "", "check host keys by `MODE`: strict (known keys only), accept-new (add unknown keys), off (no check) (default: inventory, ssh_config, strict)")
	x.add(f, "jump", "J", "connect through `HOST[,HOST]`, each user@host:port or an inventory host; none: connect directly (default: inventory, ssh_config)")
	x.addSSHConfig(f)
	x.add(f, "ask-pass", "", "ask once for a login password, for hosts where keys are not enough; it is tried on one host first")
	x.add(f, "known-hosts", "", "use known_hosts `FILE` instead of ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts (default $TUTTI_KNOWN_HOSTS)")
}

func (x requestFlags) addSSHConfig(f *pflag.FlagSet) {
	x.add(f, "ssh-config", "F", "use ssh_config `FILE|none` instead of ~/.ssh/config and /etc/ssh/ssh_config")
}

func (x requestFlags) addRecord(f *pflag.FlagSet) {
	x.addHistory(f)
	x.add(f, "no-history", "", "do not record the run")
	x.add(f, "note", "", "record `TEXT` with the run; tutti history finds it")
	x.add(f, "run-id-file", "", "write the run's number to `FILE` as soon as it is known")
	x.add(f, "record-limit", "", "record at most `SIZE` of each output stream of a host: its head and its last 32KiB")
}

func (x requestFlags) addHistory(f *pflag.FlagSet) { x.add(f, "history", "", place.HistoryUsage) }

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
	f.VarP(&o.mode, "output", "o", "output `MODE`: stream (lines as they come), fold (identical output once), host (a block per host), json (events), none")
	f.BoolVarP(&o.fold, "fold", "b", false, "the same as -o fold")
	f.BoolVar(&o.json, "json", false, "the same as -o json")
}

// addTextFlags are those about the hosts' output.
func (o *outputOptions) addTextFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.diff, "diff", false, "like -o fold, and show each group as a diff against the largest")
	f.BoolVar(&o.timestamps, "timestamps", false, "prefix each line with the time (UTC)")
}

func (o *outputOptions) addCommonFlags(f *pflag.FlagSet) {
	o.fileOptions.addFlags(f)
	f.BoolVar(&o.noPrefix, "no-prefix", false, "print output without host names")
	f.BoolVar(&o.raw, "raw", false, "pass colour codes from the hosts to the terminal")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print only problems")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log each step on stderr")
	f.Var(&o.color, "color", "colour `WHEN`: auto, always, never")
	f.Var(&o.progress, "progress", "show progress on stderr `WHEN`: auto, always, never")
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
			return syntaxf("%s and %s cannot be combined", source, short.flag)
		}
		mode, source = short.mode, short.flag
	}
	o.mode.Word = mode
	switch {
	case o.noPrefix && mode != modeStream && mode != modeHost && mode != modeFold:
		return syntaxf("--no-prefix cannot be combined with %s", source)
	case o.quiet && mode == modeJSON:
		return syntaxf("-q/--quiet cannot be combined with %s: every event is a line", source)
	case o.diff && o.noPrefix:
		return syntaxf("--diff and --no-prefix cannot be combined")
	case o.timestamps && mode == modeJSON:
		return syntaxf("--timestamps cannot be combined with %s: every event has its time", source)
	case o.timestamps && mode != modeStream:
		return syntaxf("--timestamps cannot be combined with %s: only streamed lines have a time", source)
	case o.timestamps && (o.noPrefix || o.quiet):
		return syntaxf("--timestamps cannot be combined with --no-prefix or -q/--quiet")
	}
	return nil
}
