package scheduler

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tutti/internal/quantity"
)

const day = 24 * time.Hour

// The defaults of a job. Without a deadline a command that hangs would keep its job
// from ever firing again.
const (
	DefaultGrace      = time.Minute
	DefaultMaxRunning = 3
	DefaultDeadline   = day
)

// A Job is a command that runs on hosts on a schedule. Start with [NewJob]. A Job is a
// value; do not change what it refers to once it is checked.
type Job struct {
	// Name is unique: letters, digits and _ . -, not digits alone.
	Name string
	// Version counts the changes, from 1; 0: the job is not stored yet. It is not
	// written to files.
	Version int64
	// Scopes are the selectors that bound the rights of the user who last changed the
	// job: it runs only on hosts that each of them selects when it fires. None: on any.
	// They are not written to files.
	Scopes []string

	// Schedules are the expressions, as for [Parse].
	Schedules []string
	// Seconds: in an expression of six fields the first is the second.
	Seconds bool
	// Zone is the name of the time zone of the expressions.
	Zone string

	// Selector selects the hosts each time the job fires; empty if the option hosts
	// names them.
	Selector string
	// Inventory are the inventory files, absolute paths; none: the default places.
	Inventory []string
	// Command or Script is what runs; Script is the absolute path of a local file.
	Command, Script string
	// Options are the options of its runs, by name with _ for -, with their values;
	// "true" for an option without a value.
	Options map[string][]string

	// Overlap is the policy for a firing while an earlier one runs; MaxRunning bounds
	// how many run at once under OverlapAllow.
	Overlap    Overlap
	MaxRunning int
	// Grace is how late a firing may be and still count as on time; CatchUp is the
	// policy for those that are later.
	Grace   time.Duration
	CatchUp CatchUp
	// Jitter bounds how much later than its scheduled time a firing is due; it is less
	// than the time between two firings.
	Jitter time.Duration
	// TuttiEnv sets environment variables of the command that name the job, the run,
	// the scheduled time, the attempt and the host.
	TuttiEnv bool
	// Idempotent: the command may run again on hosts whose result is unknown.
	Idempotent bool
	// Paused: the job does not fire.
	Paused bool
	Notify Notify
	Keep   Keep
}

// A Keep limits how much of a job's history is kept. A field that is zero sets no limit
// beyond those of the whole history.
type Keep struct {
	Age  time.Duration // of a run
	Runs int
	Size int64 // bytes
}

// NewJob returns a job with the defaults, in the time zone of that name.
func NewJob(name, zone string) Job {
	return Job{
		Name:       name,
		Zone:       zone,
		Options:    map[string][]string{"deadline": {quantity.FormatDuration(DefaultDeadline)}},
		MaxRunning: DefaultMaxRunning,
		Grace:      DefaultGrace,
	}
}

// Rules are the checks of jobs that other packages own. The zero value accepts no
// options, and any selector.
type Rules struct {
	// Now refuses schedules that never fire after it; zero: it refuses none.
	Now time.Time
	// Zone is the time zone of jobs that name none; empty: it is UTC.
	Zone string
	// Dir is the absolute directory that relative paths in a file start from.
	Dir string
	// OptionKeys are the keys that Job.Options may have.
	OptionKeys []string
	// Option checks an option; nil: it accepts any value.
	Option func(key string, values []string) error
	// Selector checks a selector; nil: it accepts any.
	Selector func(text string) error
	// CommaKeys are the options whose value has commas, so that a file may have a list
	// instead.
	CommaKeys []string
	// Whole checks a job in a file as a whole, once each key is valid by itself; nil:
	// no such check.
	Whole func(Job) error
	// MostJobs bounds how many jobs a file may have; 0: any number.
	MostJobs int
}

func (r *Rules) zone() string {
	if r.Zone == "" {
		return "UTC"
	}
	return r.Zone
}

// A KeyError is a problem of a job and the key in jobs.yaml that has it.
type KeyError struct {
	Key string
	Err error
}

// Error returns the key and its problem.
func (e *KeyError) Error() string {
	if bad, ok := errors.AsType[*SyntaxError](e.Err); ok {
		return bad.Error()
	}
	return e.Key + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *KeyError) Unwrap() error { return e.Err }

// Validate returns all problems of the job, each a [*KeyError], joined; nil: it is
// valid.
func (j *Job) Validate(r Rules) error {
	var all []error
	j.check(&r, func(key string, err error) {
		if err != nil {
			all = append(all, &KeyError{key, err})
		}
	})
	return errors.Join(all...)
}

// check reports what is wrong with each key.
func (j *Job) check(r *Rules, report func(key string, err error)) {
	report("name", checkName(j.Name))
	j.checkTiming(r.Now, report)
	report(j.checkHosts(r))
	report(j.checkCommand())
	for _, path := range j.Inventory {
		report("inventory", checkPath(path))
	}
	for _, key := range slices.Sorted(maps.Keys(j.Options)) {
		report(key, j.checkOption(key, r))
	}
	if j.MaxRunning < 1 || j.MaxRunning > 1000 {
		report("max_running", fmt.Errorf("%d: want 1 to 1000", j.MaxRunning))
	}
	if j.Grace < time.Second || j.Grace > day {
		report("grace", fmt.Errorf("%s: want 1s to 1d", quantity.FormatDuration(j.Grace)))
	}
	report("notify", j.Notify.check())
	if j.Keep.Age < 0 || j.Keep.Runs < 0 || j.Keep.Size < 0 {
		report("keep", errors.New("must not be negative"))
	}
}

var jobName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("empty value")
	case len(name) > 64:
		return fmt.Errorf("%q is longer than 64 characters", clipped(name))
	case isDigits(name):
		return fmt.Errorf("%q could be a run number; add a letter", name)
	case !jobName.MatchString(name):
		return fmt.Errorf("%q is not a job name: want letters, digits and _ . -, not starting with . or -", name)
	}
	return nil
}

// checkTiming checks zone, schedule and jitter; the latter also if the zone is unknown.
func (j *Job) checkTiming(now time.Time, report func(key string, err error)) {
	key, err := j.checkTimingHere(now)
	report(key, err)
	if key == "zone" {
		elsewhere := *j
		elsewhere.Zone = "UTC"
		report(elsewhere.checkTimingHere(now))
	}
}

// checkTimingHere is checkTiming in the job's own zone. Only jitter needs the period,
// which takes a thousand times as long as the rest.
func (j *Job) checkTimingHere(now time.Time) (key string, err error) {
	if j.Jitter == 0 {
		_, key, err = j.schedule(now)
		return key, err
	}
	_, key, err = j.timing(now, now)
	return key, err
}

// Timing parses the job's schedule. Its Period is measured from now on. The error is a
// [*KeyError].
func (j *Job) Timing(now time.Time) (*Timing, error) {
	t, key, err := j.timing(now, time.Time{})
	if err != nil {
		return nil, &KeyError{key, err}
	}
	return t, nil
}

// schedule parses the job's schedule, and refuses one that never fires after come.
func (j *Job) schedule(come time.Time) (s *Schedule, key string, err error) {
	zone, err := LoadZone(j.Zone)
	if err != nil {
		return nil, "zone", err
	}
	if len(j.Schedules) == 0 {
		return nil, "schedule", errors.New(`missing schedule; "30 2 * * *" is every night at 02:30`)
	}
	s, err = Parse(j.Schedules, Options{Zone: zone, Seconds: j.Seconds, Job: j.Name, Now: come})
	return s, "schedule", err
}

// timing is Timing, and refuses a schedule that never fires after come.
func (j *Job) timing(now, come time.Time) (t *Timing, key string, err error) {
	s, key, err := j.schedule(come)
	if err != nil {
		return nil, key, err
	}
	if now.IsZero() {
		now = time.Unix(0, 0)
	}
	period, err := s.Period(now)
	if err != nil {
		return nil, "schedule", err
	}
	if j.Jitter < 0 {
		return nil, "jitter", errors.New("must not be negative")
	}
	// A schedule that has ended has no period, and jitter is not checked against it.
	if _, over := s.Next(now); !errors.Is(over, ErrNoMore) {
		if err := checkJitter(j.Jitter, period); err != nil {
			return nil, "jitter", err
		}
	}
	return &Timing{Schedule: s, Job: j.Name, Jitter: j.Jitter, Period: period, Grace: j.Grace, CatchUp: j.CatchUp}, "", nil
}

// checkHosts wants a selector or the option hosts.
func (j *Job) checkHosts(r *Rules) (string, error) {
	_, named := j.Options["hosts"]
	switch {
	case j.Selector == "" && !named:
		return "selector", errors.New("missing selector; all means every host")
	case j.Selector != "" && named:
		return "selector", errors.New("selector and hosts cannot be combined")
	case named:
		return "", nil
	}
	if err := checkPrintable(j.Selector); err != nil {
		return "selector", err
	}
	if r.Selector != nil {
		return "selector", r.Selector(j.Selector)
	}
	return "", nil
}

// checkCommand wants a command or a script.
func (j *Job) checkCommand() (string, error) {
	switch {
	case j.Command != "" && j.Script != "":
		return "script", errors.New("command and script cannot be combined")
	case j.Script != "":
		return "script", checkPath(j.Script)
	case strings.TrimSpace(j.Command) == "":
		return "command", errors.New("missing command or script")
	}
	return "command", checkPrintable(j.Command)
}

func (j *Job) checkOption(key string, r *Rules) error {
	values := j.Options[key]
	if len(values) == 0 {
		return errors.New("missing value")
	}
	for _, v := range values {
		if err := checkPrintable(v); err != nil {
			return err
		}
	}
	if !slices.Contains(r.OptionKeys, key) && key != "deadline" {
		return errors.New("unknown job option")
	}
	if key == "deadline" {
		d, err := quantity.ParseDuration(values[len(values)-1])
		if err != nil {
			return err
		}
		if d == 0 {
			return errors.New("a job needs a deadline: without one, a hanging command would block it forever")
		}
	}
	if r.Option != nil {
		return r.Option(key, values)
	}
	return nil
}

func checkPath(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q is not an absolute path", clipped(path))
	}
	return checkPrintable(path)
}

// checkPrintable refuses invisible characters, which could make a job look like
// another: control characters, marks that change the direction of the text.
func checkPrintable(text string) error {
	if !utf8.ValidString(text) {
		return errors.New("not UTF-8")
	}
	for _, c := range text {
		if !unicode.IsPrint(c) && c != '\n' && c != '\t' {
			return fmt.Errorf("it contains %U, which is invisible", c)
		}
	}
	return nil
}
