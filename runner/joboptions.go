package runner

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"tutti/internal/fault"
	"tutti/scheduler"
)

// JobOptionKeys are the keys that the options of a job may have, and those that jobs
// cannot have for a reason that is reported.
func JobOptionKeys() []string {
	var names []string
	for i := range keys {
		if isJobOption(&keys[i]) {
			names = append(names, keys[i].Option())
		}
	}
	slices.Sort(names)
	return names
}

// isJobOption reports whether a key is an option of a job, or has a reason why it is
// not. The others are the history, and the inventory, which is a key of the job itself.
func isJobOption(k *Key) bool { return k.IsFor(ForJob) || k.NotInJobs != nil }

// CommaOptions are the options of a job that may be written as lists, but are a single
// text.
func CommaOptions() []string { return []string{"batch", "hosts", "jump", "retry_on"} }

// JobOptions are the settings of the request that a job stores as its options. Paths
// are made absolute.
func (r *Request) JobOptions() map[string][]string {
	given := make(map[string][]string)
	for i := range keys {
		if k := &keys[i]; isJobOption(k) && r.Given(k.Name) {
			given[k.Option()] = r.texts(k)
		}
	}
	return given
}

// requestOfJob is the request of a job's runs by its options and its inventory. It does
// not check whether they fit together.
func requestOfJob(job *scheduler.Job) (Request, error) {
	r := NewRequest()
	for _, option := range slices.Sorted(maps.Keys(job.Options)) {
		if err := r.setJobOption(option, job.Options[option]); err != nil {
			return r, fault.Usage(&scheduler.KeyError{Key: option, Err: err})
		}
	}
	for _, path := range job.Inventory {
		if err := r.Set("inventory", path); err != nil {
			return r, fault.Usage(err)
		}
	}
	return r, nil
}

// CheckJobOption checks the texts of one option by themselves.
func CheckJobOption(option string, texts []string) error {
	r := NewRequest()
	return r.setJobOption(option, texts)
}

// CheckJobOptionAlone also checks the option as a run with nothing else would, so
// that a mistake in a file is reported at its line.
func CheckJobOptionAlone(option string, texts []string) error {
	r := NewRequest()
	if err := r.setJobOption(option, texts); err != nil {
		return err
	}
	if option == "sudo_pass_command" || option == "pause" {
		return nil // they need another option
	}
	return r.Complete(func(string) string { return "" })
}

// setJobOption sets the key of an option.
func (r *Request) setJobOption(option string, texts []string) error {
	k := lookup(strings.ReplaceAll(option, "_", "-"))
	if k == nil || !isJobOption(k) || strings.Contains(option, "-") {
		return errors.New("unknown job option")
	}
	if !k.isList() && len(texts) != 1 {
		return fmt.Errorf("want one value, got %d", len(texts))
	}
	for _, text := range texts {
		if err := k.checkInJob(text); err != nil {
			return err
		}
		if err := r.Set(k.Name, text); err != nil {
			return err
		}
	}
	return nil
}

// checkInJob refuses values that are for the command line only.
func (k *Key) checkInJob(text string) error {
	switch {
	case k.IsSwitch() && text != "true" && text != "false":
		return fmt.Errorf("want true or false, got %q", text)
	case k.Name == "sudo" && (text == "true" || text == "false" || text != "" && strings.Trim(text, "0123456789") == ""):
		return fault.Errorf("%s is not a user; for %s write sudo: root", text, fault.Key("sudo"))
	case k.Name == "stdin" && text == "-":
		return errors.New("jobs have no standard input; name a file")
	case k.File && !filepath.IsAbs(text) && !(k.Name == "ssh-config" && text == NoSSHConfig):
		return fmt.Errorf("%q is not an absolute path", text)
	case k.NotInJobs != nil:
		return k.NotInJobs
	}
	return nil
}
