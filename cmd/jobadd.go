package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/completion"
	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/cmd/internal/place"
	"tutti/cmd/internal/request"
	"tutti/jobs"
	"tutti/scheduler"
)

// A jobForm has the flags of a job.
type jobForm struct {
	jobFlags
	run    *launchOptions
	server place.Server
}

func newJobForm() *jobForm {
	return &jobForm{jobFlags: newJobFlags(), run: newLaunchOptions()}
}

// groups are those of the run's flags with the job's own among them. care adds
// those of the command.
func (o *jobForm) groups(care func(*pflag.FlagSet)) []help.Group {
	groups := []help.Group{{Title: "SCHEDULE", Add: o.addTimeFlags}}
	for _, g := range o.run.jobGroups() {
		switch g.Title {
		case "TASK":
			g.Add = combineFlags(o.addTaskFlags, g.Add)
		case "RECORD":
			groups = append(groups, help.Group{Title: "NOTIFICATIONS", Add: o.addNotifyFlags})
			g.Add = combineFlags(g.Add, o.addKeepFlags)
		}
		groups = append(groups, g)
	}
	if care != nil {
		groups = append(groups, help.Group{Title: "SAFETY", Add: care})
	}
	return append(groups, o.server.Group())
}

func combineFlags(first, second func(*pflag.FlagSet)) func(*pflag.FlagSet) {
	return func(f *pflag.FlagSet) { first(f); second(f) }
}

func newJobAddCmd(std Streams) *cobra.Command {
	o := newJobForm()
	cmd := &cobra.Command{
		Use:   "add NAME --schedule EXPR [flags] SELECTOR COMMAND...",
		Short: "Add a job",
		Long: `COMMAND is as for tutti run; with --script FILE there is none. Flags may come
before and after NAME and SELECTOR; they end at the first word of COMMAND. Each
firing reads the inventory and resolves the hosts again. Without -i, tutti serve
looks for the inventory in the usual places; -e K passes the value from the
environment of tutti serve. Files are those of the machine of tutti serve: paths for
a server are absolute.

` + scheduleHelp,
		Example: `  tutti job add backup --schedule '30 2 * * *' --zone Europe/Berlin --timeout 2h db /usr/local/bin/backup
  tutti job add sweep --schedule '*/10 8-17 * * mon-fri' --jitter 2m --script ./sweep.sh all
  tutti job add once --schedule '@at 2027-01-31T18:00:00Z' -w db1 reboot
  tutti job add watch --schedule '@every 90s' --notify-command /usr/local/bin/tell-us web 'df -h / | tail -1'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeJobWords(std, &o.run.Options, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, selector, rest, err := jobWords(cmd, args)
			switch {
			case err != nil:
				return err
			case wantsHelp(cmd):
				return helpFor(cmd, args)
			case name == "":
				return hintSwallowedArg(cmd.Flags(), syntaxf("missing job name"))
			case len(o.schedule) == 0:
				return hint(hintSwallowedArg(cmd.Flags(), syntaxf("job %s has no schedule: missing --schedule", name)),
					"--schedule '30 2 * * *' fires every night at 02:30")
			case selector == "" && !cmd.Flags().Changed("hosts"):
				return hintSwallowedArg(cmd.Flags(), syntaxf("missing SELECTOR and COMMAND"))
			}
			return addJob(cmd, std, o, name, selector, rest)
		},
	}
	takesFlagsBehind(cmd)
	help.Set(cmd, exitHelpJob, o.groups(nil)...)
	return cmd
}

// hintSwallowedArg adds to err, about a missing word, the flags that were taken for the
// value of the flag before them.
func hintSwallowedArg(f *pflag.FlagSet, err error) error {
	f.Visit(func(flag *pflag.Flag) {
		for _, value := range textsOf(flag) {
			name, long := strings.CutPrefix(value, "--")
			name, _, _ = strings.Cut(name, "=")
			short := len(value) == 2 && value[0] == '-' && f.ShorthandLookup(value[1:]) != nil
			if long && f.Lookup(name) != nil || short {
				err = hint(err, fmt.Sprintf("--%[2]s needs a value and took %[1]q as that", value, flag.Name))
			}
		}
	})
	return err
}

// scheduleHelp is the part of help about the text of a schedule.
const scheduleHelp = `A schedule is
  30 2 * * 1-5         minute, hour, day of month, month, day of week (mon-fri too)
  */10 30 2 * * *      the second first, with --seconds
  0 30 2 * * * 2027    seven fields: the second first, the year last
  @hourly @daily @weekly @monthly @yearly
  @every 90s           every 90 seconds
  @at 2027-01-31T18:00:00Z   once
A day of month may be L or 15W, a day of week 5L or 5#2. If both are given, either
one is enough, unless one of them begins with * (*/2): then both must match. Times
skipped by a daylight-saving change run right after it; repeated times run once.`

// jobWords parses NAME, SELECTOR and COMMAND, with flags before each of them.
func jobWords(cmd *cobra.Command, args []string) (name, selector string, rest []string, err error) {
	if len(args) == 0 {
		return "", "", nil, actsHere(cmd)
	}
	if err := cmd.Flags().Parse(args[1:]); err != nil {
		return "", "", nil, flagError(cmd, err)
	}
	selector, rest, err = words(cmd, cmd.Flags().Args())
	return args[0], selector, rest, err
}

// fill writes the flags and words of the command line into job.
func (o *jobForm) fill(f *pflag.FlagSet, job *scheduler.Job, selector string, rest []string) error {
	applyRun(&o.run.Request, job)
	switch {
	case f.Changed("hosts"):
		job.Selector = ""
	case selector != "":
		job.Selector = selector
		delete(job.Options, "hosts")
	}
	if command := commandText(rest); strings.TrimSpace(command) != "" {
		if f.Changed("script") {
			return hint(syntaxf("--script replaces COMMAND: unexpected %q", rest[0]), "a job's script gets no arguments; pass values with -e")
		}
		job.Command, job.Script = command, ""
	}
	return o.apply(f, job)
}

// addJob adds the job that the command line describes.
func addJob(cmd *cobra.Command, std Streams, o *jobForm, name, selector string, rest []string) error {
	now, f := std.Time(), cmd.Flags()
	where, err := o.place(std, cmd)
	if err != nil {
		return err
	}
	defer where.close()
	job := scheduler.NewJob(name, "")
	if _, err := request.TakeHosts(f, std.In); err != nil {
		return err
	}
	if err := o.fill(f, &job, selector, rest); err != nil {
		return err
	}
	prepared, err := where.prepare(job)
	if err != nil {
		return zoneHint(err)
	}
	warnOfIdle(std, &job)
	return where.write(place.MakesHistory, func(s jobWriter) error {
		kept, err := s.Add(cmd.Context(), prepared, std.UserName())
		if err != nil {
			return err
		}
		if err := std.Print("job %s added\n", name); err != nil {
			return err
		}
		if err := printTimes(std, &kept.Job, now); err != nil {
			return err
		}
		if err := showHosts(std, &kept.Job, &prepared.Trial); err != nil {
			return err
		}
		return warnOfNoDaemon(cmd.Context(), std, s, &kept.Job)
	})
}

// zoneHint says what to do where the machine has no zone.
func zoneHint(err error) error {
	if errors.As(err, new(*jobs.ZoneError)) {
		return hint(usage(err), "name the job's time zone, such as Europe/Berlin")
	}
	return err
}

// printTimes says when a job fires, and warns of times that may not be meant.
func printTimes(std Streams, job *scheduler.Job, now time.Time) error {
	t, err := job.Timing(now)
	if err != nil {
		return err
	}
	text, err := timesText(t, now)
	if err != nil {
		return err
	}
	if err := std.Print("%s", text); err != nil {
		return err
	}
	if job.Paused {
		if err := std.Print("  paused: tutti job resume %s resumes it\n", job.Name); err != nil {
			return err
		}
	}
	warnings, err := timesWarnings(t, now)
	for _, w := range warnings {
		std.Warn(w)
	}
	return err
}

// noInventoryHere says that the hosts of a job cannot be looked up.
const noInventoryHere = "no inventory here: tutti serve looks for one at each firing; -i names one"

// warnOfTrial warns of what would make the job fail here and now; it may be different
// where and when it fires.
func warnOfTrial(std Streams, t *jobs.Trial, warn func(string)) {
	fails := func(err error) {
		warn("the job would fail now: " + cli.Wording.Text(err))
		for _, h := range cli.Hints(err) {
			_ = std.Say("hint: " + h) // an error of stderr has nowhere to go
		}
	}
	if t.Script != nil {
		fails(t.Script)
	}
	if t.NoInventory() {
		return
	}
	if t.Err != nil {
		fails(t.Err)
		return
	}
	for _, w := range t.Hosts.Warnings {
		warn(w)
	}
}

// showHosts says on how many hosts the job would run now, or why on none.
func showHosts(std Streams, job *scheduler.Job, t *jobs.Trial) error {
	warnOfTrial(std, t, std.Warn)
	if t.NoInventory() {
		std.Warn(noInventoryHere)
	}
	chosen := t.Hosts
	if chosen == nil {
		return nil
	}
	from := ""
	if chosen.Files != "" {
		from = ", by " + chosen.Files
	}
	return std.Print("  on    %s: %s now%s\n", cli.OneLine(whereOf(job), maxDiffLine), count(len(chosen.Hosts), "host"), from)
}

// warnOfIdle warns of settings of the job that have no effect.
func warnOfIdle(std Streams, job *scheduler.Job) {
	if jobs.Idle(job) {
		std.Warn(fmt.Sprintf("job %s: max_running has no effect with overlap %s, only with overlap allow", job.Name, job.Overlap))
	}
}

// warnOfNoDaemon warns if no daemon runs that would fire the jobs, unless none of them
// is to fire.
func warnOfNoDaemon(ctx context.Context, std Streams, s unservedJobs, written ...*scheduler.Job) error {
	unserved, err := s.Unserved(ctx, written...)
	if unserved {
		std.Warn("no daemon is running: start tutti serve")
	}
	return err
}

// completeJobWords completes NAME with name, nil if it is a new one, and
// SELECTOR with the hosts, groups and labels that o finds. Earlier runs are not
// for jobs.
func completeJobWords(std Streams, o *request.Options, name cobra.CompletionFunc) cobra.CompletionFunc {
	selector := completion.Selector(std, &o.Request)
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) > 0:
			words, directive := selector(cmd, args[1:], toComplete)
			return slices.DeleteFunc(words, func(word string) bool { return strings.Contains(word, completion.RunItemPrefix) }), directive
		case name == nil:
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return name(cmd, args, toComplete)
	}
}
