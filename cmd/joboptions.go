package cmd

import (
	"errors"

	"github.com/spf13/pflag"

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/runner"
)

// What a job keeps of the flags of a run, and how a run gets them back.

// A refusedValue is a flag that is there to say why it cannot be given.
type refusedValue struct {
	pflag.Value
	reason string
}

// Set is the reason.
func (v refusedValue) Set(string) error { return errors.New(v.reason) }

// jobGroups are the flags of a run that a job is given. The history is not among
// them: it is where the job itself is kept.
func (o *launchOptions) jobGroups() []help.Group {
	return []help.Group{
		{Title: "HOSTS", Add: ForJobs(o.Flags().AddHosts)},
		{Title: "TASK", Add: ForJobs(o.Flags().AddCommandTask)},
		{Title: "LIMITS", Add: func(f *pflag.FlagSet) {
			ForJobs(o.Flags().AddLimits)(f)
			f.Lookup("deadline").Usage = "stop the whole run after `DURATION` (default: 1d)"
		}},
		{Title: "ROLLING", Add: ForJobs(o.Flags().AddRolling)},
		{Title: "LOGIN", Add: ForJobs(o.Flags().AddLogin)},
		{Title: "RECORD", Add: ForJobs(o.Flags().AddRecord)},
	}
}

// ForJobs is add, except that the flags that make no sense in a job say so.
func ForJobs(add func(*pflag.FlagSet)) func(*pflag.FlagSet) {
	return func(f *pflag.FlagSet) {
		all := pflag.NewFlagSet("", pflag.ContinueOnError)
		all.SortFlags = false
		add(all)
		all.VisitAll(func(flag *pflag.Flag) {
			if key, _ := runner.KeyNamed(flag.Name); key.NotInJobs != nil {
				flag.Value, flag.Hidden = refusedValue{flag.Value, cli.Wording.Text(key.NotInJobs)}, true
			}
			f.AddFlag(flag)
		})
	}
}
