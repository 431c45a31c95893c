package cmd

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"tutti/internal/typed"
	"tutti/runner"
	"tutti/scheduler"
)

// jobFlags are the settings of a job in addition to the flags of a run.
type jobFlags struct {
	schedule                     []string
	seconds                      bool
	zone                         string
	script                       string
	overlap                      typed.Choice
	maxRunning                   int
	grace                        typed.Duration
	catchUp                      typed.Choice
	jitter                       typed.Duration
	tuttiEnv, idempotent, paused bool
	notifyOn                     eventsValue
	notifyWebhook                string
	notifySecretFile             string
	notifyCommand                string
	keepAge                      typed.Duration
	keepRuns                     int
	keepSize                     typed.Size
}

// newJobFlags has the defaults of a job.
func newJobFlags() jobFlags {
	usual := scheduler.NewJob("", "")
	overlaps := []scheduler.Overlap{scheduler.OverlapSkip, scheduler.OverlapQueue, scheduler.OverlapAllow, scheduler.OverlapReplace}
	catchUps := []scheduler.CatchUp{scheduler.CatchUpLatest, scheduler.CatchUpNone, scheduler.CatchUpAll}
	return jobFlags{
		overlap:    typed.Choice{Word: usual.Overlap.String(), Of: wordsOf(overlaps)},
		maxRunning: usual.MaxRunning,
		grace:      typed.Duration(usual.Grace),
		catchUp:    typed.Choice{Word: usual.CatchUp.String(), Of: wordsOf(catchUps)},
	}
}

func wordsOf[T fmt.Stringer](values []T) []string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = v.String()
	}
	return words
}

func (o *jobFlags) addTimeFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.schedule, "schedule", nil, "fire at `EXPR`: minute, hour, day of month, month, day of week; or @daily, @every 90s, @at TIME; repeatable")
	f.BoolVar(&o.seconds, "seconds", false, "six-field expressions begin with seconds")
	f.StringVar(&o.zone, "zone", "", "time `ZONE` of the schedule, such as Europe/Berlin (default: this machine's)")
	f.Var(&o.jitter, "jitter", "delay each firing by up to `DURATION` (stable per scheduled time); must be shorter than the interval")
	f.Var(&o.grace, "grace", "treat firings that start up to `DURATION` late as on time")
	f.Var(&o.catchUp, "catch-up", "after downtime, run missed firings by `POLICY`: latest (the newest, unless older than a period and a day), none, all (the ten oldest)")
	f.Var(&o.overlap, "overlap", "if the previous run is still active, `POLICY`: skip, queue (one at most), allow, replace (stop the previous run)")
	f.IntVar(&o.maxRunning, "max-running", o.maxRunning, "at most `N` concurrent runs with --overlap allow")
	f.BoolVar(&o.paused, "paused", false, "do not fire until resumed")
}

func (o *jobFlags) addTaskFlags(f *pflag.FlagSet) {
	f.StringVar(&o.script, "script", "", "run the local script `FILE` instead of COMMAND; it is read at each firing")
	f.BoolVar(&o.tuttiEnv, "tutti-env", false, "set TUTTI_JOB, TUTTI_RUN, TUTTI_SCHEDULED_AT, TUTTI_ATTEMPT, TUTTI_HOST for the command")
	f.BoolVar(&o.idempotent, "idempotent", false, "safe to rerun on hosts whose result is unknown")
}

func (o *jobFlags) addNotifyFlags(f *pflag.FlagSet) {
	f.Var(&o.notifyOn, "notify-on", "notify on `EVENTS`: failure, recovery, missed, always (default: failure,recovery)")
	f.StringVar(&o.notifyWebhook, "notify-webhook", "", "post notifications as JSON to `URL`")
	f.StringVar(&o.notifySecretFile, "notify-secret-file", "", "sign webhook notifications with the key in `FILE`")
	f.StringVar(&o.notifyCommand, "notify-command", "", "pipe notifications as JSON to `CMD` on this machine")
}

func (o *jobFlags) addKeepFlags(f *pflag.FlagSet) {
	f.Var(&o.keepAge, "keep-age", "keep the job's runs of the last `DURATION`")
	f.IntVar(&o.keepRuns, "keep-runs", 0, "keep the job's newest `N` runs")
	f.Var(&o.keepSize, "keep-size", "keep as many of the job's runs as fit into `SIZE`")
}

// apply writes what was given in f into job.
func (o *jobFlags) apply(f *pflag.FlagSet, job *scheduler.Job) error {
	for _, x := range []struct {
		flag string
		set  func() error
	}{
		{"schedule", func() error { job.Schedules = slices.Clone(o.schedule); return nil }},
		{"seconds", func() error { job.Seconds = o.seconds; return nil }},
		{"zone", func() error { job.Zone = o.zone; return nil }},
		{"jitter", func() error { job.Jitter = time.Duration(o.jitter); return nil }},
		{"grace", func() error { job.Grace = time.Duration(o.grace); return nil }},
		{"catch-up", func() (err error) { job.CatchUp, err = scheduler.ParseCatchUp(o.catchUp.Word); return err }},
		{"overlap", func() (err error) { job.Overlap, err = scheduler.ParseOverlap(o.overlap.Word); return err }},
		{"max-running", func() error { job.MaxRunning = o.maxRunning; return nil }},
		{"paused", func() error { job.Paused = o.paused; return nil }},
		{"script", func() error { job.Command, job.Script = "", runner.Absolute(o.script); return nil }},
		{"tutti-env", func() error { job.TuttiEnv = o.tuttiEnv; return nil }},
		{"idempotent", func() error { job.Idempotent = o.idempotent; return nil }},
		{"notify-on", func() error { job.Notify.On = slices.Clone(o.notifyOn); return nil }},
		{"notify-webhook", func() error { job.Notify.Webhook = o.notifyWebhook; return nil }},
		{"notify-secret-file", func() error { job.Notify.SecretFile = runner.Absolute(o.notifySecretFile); return nil }},
		{"notify-command", func() error { job.Notify.Command = o.notifyCommand; return nil }},
		{"keep-age", func() error { job.Keep.Age = time.Duration(o.keepAge); return nil }},
		{"keep-runs", func() error { job.Keep.Runs = o.keepRuns; return nil }},
		{"keep-size", func() error { job.Keep.Size = int64(o.keepSize); return nil }},
	} {
		if !f.Changed(x.flag) {
			continue
		}
		if err := x.set(); err != nil {
			return err
		}
	}
	completeNotify(f, &job.Notify)
	return nil
}

// completeNotify makes a receiver without events one for failures and recoveries.
// Without a receiver no events are left.
func completeNotify(f *pflag.FlagSet, n *scheduler.Notify) {
	named := n.Webhook != "" || n.Command != ""
	switch {
	case named && len(n.On) == 0:
		n.On = []scheduler.NotifyEvent{scheduler.OnFailure, scheduler.OnRecovery}
	case !named && !f.Changed("notify-on") && !f.Changed("notify-secret-file"):
		*n = scheduler.Notify{}
	}
}

// applyRun writes what o was given into job.
func applyRun(o *runner.Request, job *scheduler.Job) {
	job.Options = maps.Clone(job.Options)
	maps.Copy(job.Options, o.JobOptions())
	if o.Given("inventory") {
		job.Inventory = nil
		for _, path := range o.Hosts.Inventory {
			job.Inventory = append(job.Inventory, runner.Absolute(path))
		}
	}
}

// An eventsValue is a flag with events, separated by commas.
type eventsValue []scheduler.NotifyEvent

var (
	_ pflag.Value  = (*eventsValue)(nil)
	_ typed.Worded = (*eventsValue)(nil)
)

func (v *eventsValue) Set(s string) error {
	var out eventsValue
	for _, word := range strings.Split(s, ",") {
		o, err := scheduler.ParseNotifyEvent(strings.TrimSpace(word))
		if err != nil {
			return err
		}
		out = append(out, o)
	}
	slices.Sort(out)
	*v = slices.Compact(out)
	return nil
}

func (v *eventsValue) String() string { return strings.Join(wordsOf(*v), ",") }

// Type is the placeholder in help.
func (v *eventsValue) Type() string { return "EVENT,..." }

func (v *eventsValue) Words() ([]string, bool) {
	return wordsOf([]scheduler.NotifyEvent{scheduler.OnFailure, scheduler.OnRecovery, scheduler.OnMissed, scheduler.OnAlways}), true
}
