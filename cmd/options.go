package cmd

import (
	"time"

	"github.com/spf13/pflag"

	"tutti/fanout"
	"tutti/inventory"
)

// selectOptions say which hosts are meant.
type selectOptions struct {
	inventory []string
	hosts     string
	only      []string
	exclude   []string
	limit     int
	pick      int
	// refused allows hosts that cannot be used, for those who only look.
	refused bool

	// programEnv is the environment of inventories that are run; nil: ours.
	programEnv []string

	// forJob says that nobody looks on, and that the job says which inventory.
	forJob bool

	// former is set for a rerun: the hosts are those of that run.
	former *former
}

func (o *selectOptions) addFlags(f *pflag.FlagSet) {
	o.addInventoryFlag(f)
	o.addHostsFlag(f)
	o.addNarrowingFlags(f)
}

func (o *selectOptions) addInventoryFlag(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.inventory, "inventory", "i", nil, "inventory `FILE`, which is run if it is a program; a later one wins (default $TUTTI_INVENTORY, ./hosts.yaml, ~/.config/tutti/hosts.yaml, /etc/tutti/hosts.yaml)")
}

func (o *selectOptions) addHostsFlag(f *pflag.FlagSet) {
	f.StringVarP(&o.hosts, "hosts", "w", "", "these `HOSTS` instead of SELECTOR and inventory: web[1-9],db1:2222,root@10.0.0.7; @FILE: those in it, @-: in our standard input")
}

func (o *selectOptions) addNarrowingFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.only, "only", nil, "of these hosts, keep those in `ITEM`")
	f.StringArrayVarP(&o.exclude, "exclude", "x", nil, "leave out the hosts in `ITEM`")
	f.IntVar(&o.limit, "limit", 0, "keep the first `N` hosts")
	f.IntVar(&o.pick, "pick", 0, "keep `N` hosts at random")
}

func (o *selectOptions) finalize(f *pflag.FlagSet) error {
	for _, name := range []string{"limit", "pick"} {
		if n, _ := f.GetInt(name); f.Changed(name) && n < 1 {
			return syntaxf("--%s %d: at least one host has to remain", name, n)
		}
	}
	if o.limit > 0 && o.pick > 0 {
		return syntaxf("--limit and --pick exclude each other")
	}
	if o.hosts != "" && len(o.inventory) > 0 {
		return syntaxf("-w/--hosts takes hosts as they are and reads no inventory: leave out -i/--inventory")
	}
	if f.Changed("hosts") && o.hosts == "" {
		return syntaxf("-w/--hosts names no host")
	}
	return nil
}

// loginOptions say how to get in.
type loginOptions struct {
	user       string
	port       int
	identity   []string
	hostKeys   choice
	knownHosts string
	sshConfig  sshConfigValue
	jump       string
	jumpSet    bool // a flag wins over the inventory even when it says none
	askPass    bool
}

func newLoginOptions() loginOptions {
	return loginOptions{hostKeys: choice{of: []string{"strict", "accept-new", "off"}}}
}

func (o *loginOptions) addFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.user, "user", "l", "", "log in as `USER` (default: the inventory's, ssh_config's, yours)")
	f.IntVarP(&o.port, "port", "p", 0, "connect to port `N` (default: the inventory's, ssh_config's, 22)")
	f.StringArrayVar(&o.identity, "identity", nil, "log in with the key in `FILE`")
	f.Var(&o.hostKeys, "host-keys", "`MODE` strict: known keys only; accept-new: learn unknown ones; off: check nothing (default: the inventory's, ssh_config's, strict)")
	f.StringVarP(&o.jump, "jump", "J", "", "go through `HOST[,HOST]`, each user@host:port or a host of the inventory; none: straight (default: the inventory's, ssh_config's)")
	o.sshConfig.addFlag(f)
	f.BoolVar(&o.askPass, "ask-pass", false, "ask for a password to log in with where keys are not enough, once; a host has to take it before others get it")
	f.StringVar(&o.knownHosts, "known-hosts", "", "known_hosts `FILE` to use instead of ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts (default $TUTTI_KNOWN_HOSTS)")
}

func (o *loginOptions) finalize(f *pflag.FlagSet, getenv func(string) string) error {
	if f.Changed("port") && (o.port < 1 || o.port > 65535) {
		return syntaxf("--port %d: a port is between 1 and 65535", o.port)
	}
	if f.Changed("user") {
		if err := inventory.CheckUser(o.user); err != nil {
			return syntaxf("--user: %w", err)
		}
	}
	if o.jumpSet = f.Changed("jump"); o.jumpSet {
		if _, err := inventory.ParseJump(o.jump); err != nil {
			return syntaxf("-J/--jump: %w", err)
		}
	}
	if o.knownHosts == "" {
		o.knownHosts = getenv("TUTTI_KNOWN_HOSTS")
	}
	return checkKnownHosts(o.knownHosts)
}

// limitOptions say how many at once, for how long and how often.
type limitOptions struct {
	fanout         int
	connectTimeout durationValue
	timeout        durationValue
	deadline       durationValue
	killAfter      durationValue
	drain          durationValue
	retries        int
	retryOn        retryValue
	retryDelay     durationValue

	// connectTimeoutSet and its kin tell a flag from the lack of one: a flag
	// wins over the inventory even when it says 0.
	connectTimeoutSet, timeoutSet, retriesSet bool
}

func newLimitOptions() limitOptions {
	return limitOptions{
		killAfter:  durationValue(3 * time.Second),
		drain:      durationValue(2 * time.Second),
		retryOn:    retryValue{outcomesValue{fanout.Unreachable}},
		retryDelay: durationValue(time.Second),
	}
}

// addConnectFlags are those that make sense without a command.
func (o *limitOptions) addConnectFlags(f *pflag.FlagSet) {
	f.IntVarP(&o.fanout, "fanout", "f", 0, "work on `N` hosts at once (default: all, up to 1024)")
	f.Var(&o.connectTimeout, "connect-timeout", "give up on a login after `DURATION` (default: the inventory's, ssh_config's, 10s)")
	f.Var(&o.deadline, "deadline", "end the whole run after `DURATION` (default: never)")
	f.IntVar(&o.retries, "retries", 0, "try `N` times more (default: the inventory's, else 0)")
	f.Var(&o.retryDelay, "retry-delay", "wait `DURATION` before the second attempt, twice as long before each one after")
}

func (o *limitOptions) addFlags(f *pflag.FlagSet) {
	o.addConnectFlags(f)
	f.VarP(&o.timeout, "timeout", "t", "end the command on a host after `DURATION`, for each attempt (default: the inventory's, else never)")
	f.Var(&o.retryOn, "retry-on", "`OUTCOMES` that are tried again: unreachable, lost, timeout, failed")
	f.Var(&o.killAfter, "kill-after", "when ending a command, send KILL `DURATION` after TERM")
	f.Var(&o.drain, "drain", "after the command's exit, wait for output of what it left behind until none comes for `DURATION`")
}

func (o *limitOptions) finalize(f *pflag.FlagSet) error {
	switch {
	case f.Changed("fanout") && o.fanout < 1:
		return syntaxf("--fanout %d: at least one host at a time", o.fanout)
	case o.retries < 0:
		return syntaxf("--retries %d is less than none", o.retries)
	}
	o.connectTimeoutSet = f.Changed("connect-timeout")
	o.timeoutSet = f.Changed("timeout")
	o.retriesSet = f.Changed("retries")
	return nil
}

// recordOptions say what is remembered.
type recordOptions struct {
	history     string
	noHistory   bool
	note        string
	recordLimit sizeValue
	runIDFile   string
}

func newRecordOptions() recordOptions {
	return recordOptions{recordLimit: 4 << 20}
}

func (o *recordOptions) addFlags(f *pflag.FlagSet) {
	addHistoryFlag(f, &o.history)
	f.BoolVar(&o.noHistory, "no-history", false, "record nothing")
	f.StringVar(&o.note, "note", "", "`TEXT` to find the run by")
	f.StringVar(&o.runIDFile, "run-id-file", "", "write the run's number to `FILE` as soon as there is one")
	f.Var(&o.recordLimit, "record-limit", "record at most `SIZE` of each output of a host: its head and its last 32KiB")
}

func (o *recordOptions) finalize(f *pflag.FlagSet) error {
	if o.noHistory && (f.Changed("note") || f.Changed("record-limit")) {
		return syntaxf("--no-history records nothing: leave out --note and --record-limit")
	}
	if o.noHistory && f.Changed("run-id-file") {
		return syntaxf("--no-history gives the run no number: leave out --run-id-file")
	}
	return nil
}

// limit is the record limit in the history's terms, where 0 is the default and
// less than that records nothing.
func (o *recordOptions) limit() int64 {
	if o.recordLimit == 0 {
		return -1
	}
	return int64(o.recordLimit)
}

func addHistoryFlag(f *pflag.FlagSet, path *string) {
	f.StringVar(path, "history", "", "history `FILE` (default $TUTTI_HISTORY, $XDG_STATE_HOME/tutti/history.db, ~/.local/state/tutti/history.db)")
}

// outputOptions say what is shown, and how.
type outputOptions struct {
	fileOptions
	mode       choice
	fold       bool
	json       bool
	diff       bool
	timestamps bool
	noPrefix   bool
	raw        bool
	quiet      bool
	verbose    bool
	color      choice
	progress   choice
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
		mode:     choice{modeStream, []string{modeStream, modeFold, modeHost, modeJSON, modeNone}},
		color:    choice{"auto", always},
		progress: choice{"auto", always},
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
	mode, source := o.mode.value, "-o "+o.mode.value
	for _, short := range []struct {
		on         bool
		flag, mode string
	}{{o.fold, "-b/--fold", modeFold}, {o.diff, "--diff", modeFold}, {o.json, "--json", modeJSON}} {
		if !short.on {
			continue
		}
		if (f.Changed("output") || source != "-o "+o.mode.value) && mode != short.mode {
			return syntaxf("%s and %s exclude each other", source, short.flag)
		}
		mode, source = short.mode, short.flag
	}
	o.mode.value = mode
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
