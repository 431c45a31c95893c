package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrNoMore is returned for a schedule that does not fire within the next 40 years,
// beyond which the search stops.
var ErrNoMore = errors.New("the schedule has no further time")

// horizon is how far ahead a scheduled time is searched for.
const horizon = 40 * 366 * 24 * time.Hour

// maxText and maxExpressions bound the work that a schedule makes, well above what jobs
// need.
const (
	maxText        = 1000
	maxExpressions = 100
)

// Options say how the text of a schedule is parsed. The zero value is UTC, without
// seconds.
type Options struct {
	// Zone is the time zone of local times; nil is UTC.
	Zone *time.Location
	// Seconds: the first of six fields is the second.
	Seconds bool
	// Job is the name of the job. The phase of @every depends on it, so that jobs of
	// one period do not all fire at once.
	Job string
	// Now refuses a schedule that never fires after it; zero: it refuses none.
	Now time.Time
}

func (o *Options) zone() *time.Location {
	if o.Zone == nil {
		return time.UTC
	}
	return o.Zone
}

// A ScheduledTime is a time at which a schedule fires.
type ScheduledTime struct {
	// At is a whole second, in the schedule's zone.
	At time.Time
	// Shifted is why At is another local time than the schedule names: the one named
	// does not exist that day. It is empty otherwise.
	Shifted string
}

// A Schedule is a set of scheduled times, made by [Parse]. It is immutable.
type Schedule struct {
	rules []rule
	zone  *time.Location
}

// A rule is one expression of a schedule.
type rule interface {
	// next returns the first scheduled time after after, or ErrNoMore.
	next(after time.Time) (ScheduledTime, error)
	// words describes the rule.
	words() string
	// warnings are sentences about what its author may not have meant.
	warnings() []string
}

// Parse parses the expressions of a schedule; a time that several of them name counts
// once. An expression is
//
//	30 2 * * 1-5              minute, hour, day of month, month, day of week
//	*/10 30 2 * * 1-5         with the second in front, if Options says so
//	0 30 2 * * 1-5 2027       seven fields: the second in front, the year behind
//	@hourly @daily @midnight @weekly @monthly @yearly @annually
//	@every 90s                each 90 seconds of real time, since 1970
//	@at 2027-01-31T18:00:00Z  once
//
// A field is a list of numbers, names, ranges and steps (1,5-10,*/15). A day of month
// may be L, LW or 15W: the last day, the last workday, the workday nearest to the 15th;
// a day of week 5L or 5#2: the last or second Friday of the month. Where both are
// given, either is enough, unless one of the two fields begins with * (*/2): then both
// have to match. The error is a [*SyntaxError].
func Parse(texts []string, o Options) (*Schedule, error) {
	if len(texts) == 0 || len(texts) > maxExpressions {
		return nil, fmt.Errorf("a schedule needs 1 to %d expressions, got %d", maxExpressions, len(texts))
	}
	s := &Schedule{zone: o.zone()}
	for i, text := range texts {
		r, err := parseRule(text, &o)
		if err == nil {
			err = checkComes(r, &o)
		}
		if err == nil {
			s.rules = append(s.rules, r)
			continue
		}
		if bad, ok := errors.AsType[*SyntaxError](err); ok {
			bad.Text, bad.Index = text, i
			return nil, bad
		}
		return nil, fmt.Errorf("schedule %q: %w", clipped(text), err)
	}
	return s, nil
}

// parseRule parses one expression.
func parseRule(text string, o *Options) (rule, error) {
	if bad := checkText(text); bad != nil {
		return nil, bad
	}
	words := splitWords(text)
	if len(words) == 0 {
		return nil, hintf("every five minutes is */5 * * * *").at(0, "empty value")
	}
	first := words[0]
	switch name := strings.ToLower(first.text); {
	case name == "@every":
		return parseEvery(words, o)
	case name == "@at":
		return parseAt(words, o)
	case name[0] == '@':
		return parseAlias(name, words, o)
	case strings.Contains(name, "tz="):
		return nil, hintf("give the job a zone (zone: in a jobs file, or the flag of that name)").at(first.column, "a time zone is not part of the schedule")
	}
	return newCalendarRule(text, o)
}

// checkText refuses characters that no expression has.
func checkText(text string) *SyntaxError {
	if len(text) > maxText {
		return badf(0, "longer than %d characters", maxText)
	}
	for i, c := range text {
		if c > '~' || c < ' ' && c != '\t' {
			return badf(utf8.RuneCountInString(text[:i])+1, "unexpected %q", c)
		}
	}
	return nil
}

func parseAlias(name string, words []word, o *Options) (rule, error) {
	if name == "@reboot" {
		return nil, hintf("use a unit of the machine's service manager").
			at(words[0].column, "@reboot is not supported: the scheduler cannot detect a reboot")
	}
	text, ok := aliases[name]
	if !ok {
		return nil, hintf("known are %s, @every and @at", strings.Join(aliasNames(), ", ")).at(words[0].column, "unknown word %q", clipped(name))
	}
	if len(words) > 1 {
		return nil, badf(words[1].column, "unexpected %q after %s, which is a complete schedule", clipped(words[1].text), name)
	}
	return newCalendarRule(text, o)
}

func aliasNames() []string {
	return []string{"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"}
}

// checkComes refuses a rule that never fires, and one that does not fire after o.Now.
func checkComes(r rule, o *Options) error {
	if c, ok := r.(*calendarRule); ok {
		if _, err := c.calendar.next(time.Time{}); errors.Is(err, ErrNoMore) {
			return badf(0, "no such date from %d to %d", firstYear, lastYear)
		} else if err != nil {
			return err
		}
	}
	if o.Now.IsZero() {
		return nil
	}
	in, err := r.next(o.Now)
	if once, ok := r.(*atRule); ok && errors.Is(err, ErrNoMore) {
		return badf(once.column, "this time is in the past; it is %s now", o.Now.In(o.zone()).Format(time.RFC3339))
	}
	if errors.Is(err, ErrNoMore) || err == nil && in.At.Sub(o.Now) > horizon {
		return badf(0, "it never fires within 40 years from %s", o.Now.In(o.zone()).Format(time.DateOnly))
	}
	return err
}

// Next returns the first scheduled time after after. The error is [ErrNoMore] if there
// is none within 40 years; any other error means that the schedule is broken.
func (s *Schedule) Next(after time.Time) (ScheduledTime, error) {
	var first ScheduledTime
	for _, r := range s.rules {
		in, err := r.next(after)
		if errors.Is(err, ErrNoMore) || err == nil && in.At.Sub(after) > horizon {
			continue
		}
		if err != nil {
			return ScheduledTime{}, err
		}
		if !in.At.After(after) {
			return ScheduledTime{}, fmt.Errorf("schedule: %s is not after %s", in.At, after)
		}
		// Of two expressions that name one time, the one that is not shifted wins.
		if first.At.IsZero() || in.At.Before(first.At) || in.At.Equal(first.At) && in.Shifted == "" {
			first = in
		}
	}
	if first.At.IsZero() {
		return ScheduledTime{}, ErrNoMore
	}
	return first, nil
}

// Shifted returns the scheduled times in (after, until] that a change of the zone's
// clock shifts to another local time than the schedule names.
func (s *Schedule) Shifted(after, until time.Time) ([]ScheduledTime, error) {
	var moved []ScheduledTime
	for from := after; ; {
		end := spanAt(s.zone, from).end
		if end.IsZero() || end.After(until) {
			return moved, nil
		}
		in, err := s.Next(end.Add(-time.Nanosecond))
		if errors.Is(err, ErrNoMore) {
			return moved, nil
		}
		if err != nil {
			return nil, err
		}
		if in.At.Equal(end) && in.Shifted != "" {
			moved = append(moved, in)
		}
		from = end
	}
}

// sampled is how many scheduled times Period looks at.
const sampled = 1000

// Period returns the shortest time between two scheduled times, among the thousand that
// follow after; 0 if fewer than two follow.
func (s *Schedule) Period(after time.Time) (time.Duration, error) {
	var shortest time.Duration
	var last time.Time
	for range sampled {
		in, err := s.Next(after)
		if errors.Is(err, ErrNoMore) {
			return shortest, nil
		}
		if err != nil {
			return 0, err
		}
		if d := in.At.Sub(last); !last.IsZero() && (shortest == 0 || d < shortest) {
			shortest = d
		}
		if shortest == time.Second {
			return shortest, nil
		}
		after, last = in.At, in.At
	}
	return shortest, nil
}

// Describe returns in words when the schedule fires, and in which zone.
func (s *Schedule) Describe() string {
	var parts []string
	for _, r := range s.rules {
		parts = append(parts, r.words())
	}
	text := strings.Join(parts, "; and ")
	if slices.ContainsFunc(s.rules, func(r rule) bool { _, ok := r.(*calendarRule); return ok }) {
		text += ", " + s.zone.String()
	}
	return text
}

// BothDays reports whether a day has to match both in the month and in the week, since
// one of the two fields begins with *. In earlier versions either was enough.
func (s *Schedule) BothDays() bool {
	return slices.ContainsFunc(s.rules, func(r rule) bool {
		c, ok := r.(*calendarRule)
		return ok && c.bothDays()
	})
}

// Warnings returns sentences about what the author of the schedule may not have meant:
// days given twice, steps that do not divide evenly.
func (s *Schedule) Warnings() []string {
	var all []string
	for _, r := range s.rules {
		all = append(all, r.warnings()...)
	}
	return all
}
