package cmd

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"tutti/inventory"
	"tutti/scheduler"
)

// What a job keeps of the flags of a run, and how a run gets them back.

// notInJobs are flags of a run that a job cannot be given, and why.
var notInJobs = map[string]string{
	"ask-pass":      "nobody is there to be asked when a job fires; log in with a key",
	"ask-sudo-pass": "nobody is there to be asked when a job fires; --sudo-pass-command gets the password without",
	"no-history":    "the runs of a job are always recorded",
	"run-id-file":   "a job has many runs; tutti job log has their numbers",
}

// A refusedValue is a flag that is there to say why it cannot be given.
type refusedValue struct {
	pflag.Value
	reason string
}

// Set is the reason.
func (v refusedValue) Set(string) error { return errors.New(v.reason) }

// jobGroups are the flags of a run that a job is given. The history is not among
// them: it is where the job itself is kept.
func (o *launchOptions) jobGroups() []flagGroup {
	return []flagGroup{
		{"HOSTS", forJobs(o.selectOptions.addFlags)},
		{"TASK", forJobs(o.taskOptions.addRunFlags)},
		{"LIMITS", func(f *pflag.FlagSet) {
			forJobs(o.limitOptions.addFlags)(f)
			f.Lookup("deadline").Usage = "end the whole run after `DURATION` (default: 1d)"
		}},
		{"ROLLING", forJobs(o.rollingOptions.addFlags)},
		{"LOGIN", forJobs(o.loginOptions.addFlags)},
		{"RECORD", forJobs(o.recordOptions.addFlags)},
	}
}

// forJobs is add, except that the flags that make no sense in a job say so.
func forJobs(add func(*pflag.FlagSet)) func(*pflag.FlagSet) {
	return func(f *pflag.FlagSet) {
		all := pflag.NewFlagSet("", pflag.ContinueOnError)
		all.SortFlags = false
		add(all)
		all.VisitAll(func(flag *pflag.Flag) {
			if reason, no := notInJobs[flag.Name]; no {
				flag.Value, flag.Hidden = refusedValue{flag.Value, reason}, true
			}
			f.AddFlag(flag)
		})
	}
}

// addJobFlags are those of jobGroups.
func (o *launchOptions) addJobFlags(f *pflag.FlagSet) {
	for _, group := range o.jobGroups() {
		group.add(f)
	}
}

// isJobOption reports whether the run's flag is kept as an option of a job. The
// others are the history, and the inventory, which has a key of its own.
func isJobOption(flag *pflag.Flag) bool {
	return flag.Name != "history" && flag.Name != "inventory"
}

// optionKey is the key in a job of a flag, and optionFlag the flag of a key.
func optionKey(flag string) string { return strings.ReplaceAll(flag, "-", "_") }
func optionFlag(key string) string { return strings.ReplaceAll(key, "_", "-") }

// jobOptionKeys are the keys that the options of a job may have, and those that
// it cannot be given, so that a reason is.
func jobOptionKeys() []string {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	newLaunchOptions().addJobFlags(f)
	var keys []string
	f.VisitAll(func(flag *pflag.Flag) {
		if isJobOption(flag) {
			keys = append(keys, optionKey(flag.Name))
		}
	})
	return keys
}

// givenJobOptions are the flags in f, which o has read, that a job keeps, as far
// as they were given. Files are named so that they are found from everywhere.
func givenJobOptions(f *pflag.FlagSet) map[string][]string {
	known := pflag.NewFlagSet("", pflag.ContinueOnError)
	newLaunchOptions().addJobFlags(known)
	given := make(map[string][]string)
	f.Visit(func(flag *pflag.Flag) {
		if known.Lookup(flag.Name) == nil || !isJobOption(flag) {
			return
		}
		values := []string{flag.Value.String()}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			values = slices.Clone(list.GetSlice())
		}
		if takesFile(flag) && flag.Name != "ssh-config" { // which makes its own whole
			for i, path := range values {
				values[i] = absolute(path)
			}
		}
		given[optionKey(flag.Name)] = values
	})
	return given
}

// takesFile reports whether a flag's value is the path of a local file.
func takesFile(flag *pflag.Flag) bool {
	placeholder, _ := pflag.UnquoteUsage(flag)
	return strings.HasPrefix(placeholder, "FILE")
}

// jobRules are what makes a job one that can be carried out, at now. Whoever
// reads jobs from elsewhere adds the Zone and the Dir.
func (a *app) jobRules(now time.Time) scheduler.Rules {
	return scheduler.Rules{
		Now:        now,
		OptionKeys: jobOptionKeys(),
		CommaKeys:  []string{"batch", "hosts", "jump", "retry_on"},
		Option:     checkJobOption,
		Selector:   checkJobSelector,
	}
}

// checkJobSelector refuses what depends on who reads it, and where.
func checkJobSelector(text string) error {
	sel, err := inventory.ParseSelector(text)
	switch {
	case err != nil:
		return err
	case sel.UsesRuns():
		return errors.New("run: names the hosts of an earlier run, and is not for jobs; name a group, hosts or labels")
	}
	for _, path := range sel.Files() {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("@%s is not a whole path, and would be another file for whoever reads it elsewhere", path)
		}
	}
	return nil
}

// checkJobOption checks the values of one option by themselves.
func checkJobOption(key string, values []string) error {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	newLaunchOptions().addJobFlags(f)
	return setJobOption(f, key, values)
}

// checkJobOptionAlone checks also what a run would say of the option if nothing
// else were given, so that what is wrong in a file is told where it stands.
func checkJobOptionAlone(key string, values []string) error {
	o := newLaunchOptions()
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.addJobFlags(f)
	if err := setJobOption(f, key, values); err != nil {
		return err
	}
	if key == "sudo_pass_command" || key == "pause" {
		return nil // they need another option
	}
	return o.finalize(f, func(string) string { return "" })
}

// setJobOption sets the flag of an option in f.
func setJobOption(f *pflag.FlagSet, key string, values []string) error {
	flag := f.Lookup(optionFlag(key))
	if flag == nil || !isJobOption(flag) || strings.Contains(key, "-") {
		return errors.New("it is no option of a job")
	}
	if _, list := flag.Value.(pflag.SliceValue); !list && len(values) != 1 {
		return fmt.Errorf("it takes one value, not %d", len(values))
	}
	for _, value := range values {
		if err := checkJobValue(flag, value); err != nil {
			return err
		}
		if err := f.Set(flag.Name, value); err != nil {
			if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
				err = bad.Unwrap()
			}
			return errors.New(notANumber.ReplaceAllString(err.Error(), `"$1" is not a whole number that fits`))
		}
	}
	return nil
}

// checkJobValue refuses what a flag takes where somebody types it, and a job
// cannot have.
func checkJobValue(flag *pflag.Flag, value string) error {
	switch {
	case flag.Value.Type() == "bool" && value != "true" && value != "false":
		return fmt.Errorf("want true or false, got %q", value)
	case flag.Name == "sudo" && (value == "true" || value == "false" || value != "" && strings.Trim(value, "0123456789") == ""):
		return fmt.Errorf("%s is not a user; sudo: root is what --sudo means", value)
	case flag.Name == "stdin" && value == "-":
		return errors.New("a job has no standard input; name a file")
	case flag.Name == "ssh-config" && value == noSSHConfig:
		return nil
	case takesFile(flag) && !filepath.IsAbs(value):
		return fmt.Errorf("%q is not a whole path", value)
	}
	return nil
}

// jobOptions are the options of job as a run reads them. It is an error if they
// do not fit together; what Validate finds is not looked for.
func (a *app) jobOptions(job scheduler.Job) (*launchOptions, error) {
	o := newLaunchOptions()
	o.forJob = true
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.addJobFlags(f)
	for _, key := range slices.Sorted(maps.Keys(job.Options)) {
		if err := setJobOption(f, key, job.Options[key]); err != nil {
			return nil, usage(&scheduler.KeyError{Key: key, Err: err})
		}
	}
	for _, path := range job.Inventory {
		if err := f.Set("inventory", path); err != nil {
			return nil, usage(err)
		}
	}
	if err := o.finalize(f, a.Getenv); err != nil {
		return nil, err
	}
	if job.Script != "" && o.pty {
		return nil, usagef("a script comes through the command's input, and cannot have a terminal: leave out pty")
	}
	sel, err := o.parse(job.Selector)
	if err == nil {
		err = checkJobSelector(sel.String())
	}
	if err != nil {
		return nil, usage(err)
	}
	return o, nil
}
