package scheduler

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// fields are an expression in cron's language.
type fields [fieldCount]field

// aliases are whole expressions by name.
var aliases = map[string]string{
	"@yearly":   "0 0 1 1 *",
	"@annually": "0 0 1 1 *",
	"@monthly":  "0 0 1 * *",
	"@weekly":   "0 0 * * 0",
	"@daily":    "0 0 * * *",
	"@midnight": "0 0 * * *",
	"@hourly":   "0 * * * *",
}

// parseFields parses five, six or seven fields: six only if seconds says that the first
// of them is the second.
func parseFields(text string, seconds bool) (*fields, *SyntaxError) {
	words := splitWords(text)
	var f fields
	from, to := minute, dayOfWeek+1
	switch {
	case len(words) < 5:
		return nil, hintf("the fields are: minute, hour, day of month, month, day of week").at(0, "want 5 fields, got %d", len(words))
	case len(words) == 6 && !seconds:
		joined := join(words)
		return nil, hintf("if the first field is the second, set seconds (seconds: true in a jobs file, or the flag of that name); with a year, write seven fields: %q", "0 "+joined).
			at(words[5].column, "six fields are ambiguous: the first may be the second, or the last the year")
	case len(words) == 6:
		from = second
	case len(words) == 7:
		from, to = second, fieldCount
	case len(words) > 7:
		return nil, hintf("the command is not part of the schedule").at(words[7].column, "unexpected %q after the year, the last field", clipped(words[7].text))
	}
	f[second] = field{kind: &fieldKinds[second], values: []int{0}}
	f[year] = field{kind: &fieldKinds[year], star: true, starred: true}
	for i := from; i < to; i++ {
		var err *SyntaxError
		if f[i], err = parseField(&fieldKinds[i], words[i-from].text, words[i-from].column); err != nil {
			return nil, err
		}
	}
	return &f, f.checkDates()
}

// A word is a part of a text without blanks, and its column.
type word struct {
	text   string
	column int // from 1
}

// splitWords cuts text at its blanks.
func splitWords(text string) []word {
	var words []word
	start := -1
	for i := 0; i <= len(text); i++ {
		blank := i == len(text) || text[i] == ' ' || text[i] == '\t'
		switch {
		case blank && start >= 0:
			words = append(words, word{text[start:i], start + 1})
			start = -1
		case !blank && start < 0:
			start = i
		}
	}
	return words
}

func join(words []word) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.text
	}
	return strings.Join(texts, " ")
}

// plain is the expression in seven fields, without names, ranges and steps. The library
// treats day of month and day of week as alternatives, so that two that both have to
// match make two expressions.
func (f *fields) plain() []string {
	if !f.bothDays() {
		return []string{f.plainWithout(fieldCount)}
	}
	return []string{f.plainWithout(dayOfWeek), f.plainWithout(dayOfMonth)}
}

// plainWithout is plain with * in one field.
func (f *fields) plainWithout(field int) string {
	texts := make([]string, fieldCount)
	for i := range f {
		texts[i] = f[i].plain()
		if i == field {
			texts[i] = "*"
		}
	}
	return strings.Join(texts, " ")
}

// fixed reports whether the expression names local times, so that each of them
// counts once; else it follows real time.
func (f *fields) fixed() bool { return !f[minute].starred && !f[hour].starred }

// daysTwice reports whether the days are given twice, in the month and in the
// week.
func (f *fields) daysTwice() bool {
	return f[dayOfMonth].restricted() && f[dayOfWeek].restricted()
}

// bothDays reports whether a day has to match in the month and in the week, as
// crontab(5) has it where one of the two fields begins with *, as */2 does.
func (f *fields) bothDays() bool {
	return f.daysTwice() && (f[dayOfMonth].begins || f[dayOfWeek].begins)
}

// eitherDay reports whether the days are given twice and either is enough.
func (f *fields) eitherDay() bool { return f.daysTwice() && !f.bothDays() }

// checkDates refuses days that none of the months has.
func (f *fields) checkDates() *SyntaxError {
	day := &f[dayOfMonth]
	if day.star || day.last || day.lastWorkday {
		return nil
	}
	earliest := slices.Min(slices.Concat(day.values, day.workdays))
	longest := 0
	for m := 1; m <= 12; m++ {
		if f[month].star || slices.Contains(f[month].values, m) {
			// A leap year, so that there is a 29 February.
			longest = max(longest, time.Date(2000, time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC).Day())
		}
	}
	if earliest <= longest {
		return nil
	}
	return hintf("the last day of a month is L").at(day.column, "day %d never occurs in %s", earliest, f[month].words(monthWord))
}

// A calendarRule is an expression in a zone.
type calendarRule struct {
	*fields
	zone     *time.Location
	calendar *calendar
}

// newCalendarRule reads an expression of fields.
func newCalendarRule(text string, o *Options) (*calendarRule, error) {
	f, bad := parseFields(text, o.Seconds)
	if bad != nil {
		return nil, bad
	}
	c, err := newCalendar(f.plain()...)
	if err != nil {
		return nil, err
	}
	return &calendarRule{fields: f, zone: o.zone(), calendar: c}, nil
}

// next returns the first scheduled time after after.
func (r *calendarRule) next(after time.Time) (ScheduledTime, error) {
	if r.fixed() {
		return r.nextFixed(after)
	}
	return r.nextRunning(after)
}

// nextFixed is next for expressions that name local times: the next local time that the
// clock has not shown yet, at the moment when the clock first shows it or leaps over
// it.
func (r *calendarRule) nextFixed(after time.Time) (ScheduledTime, error) {
	reading, err := r.calendar.next(shown(r.zone, after))
	if err != nil {
		return ScheduledTime{}, err
	}
	at, leapt := firstAt(r.zone, reading)
	in := ScheduledTime{At: at.In(r.zone)}
	if !leapt {
		return in, nil
	}
	// The expression may name the end of the leap as well.
	there := spanAt(r.zone, at).read(at)
	own, err := r.calendar.next(there.Add(-time.Nanosecond))
	if err != nil && !errors.Is(err, ErrNoMore) {
		return ScheduledTime{}, err
	}
	if err != nil || !own.Equal(there) {
		in.Shifted = strings.TrimSuffix(reading.Format(time.DateTime), ":00") + " does not exist: the clock skips it for daylight saving time"
	}
	return in, nil
}

// nextRunning is next for expressions that follow real time: each moment at which the
// clock shows a match, however often.
func (r *calendarRule) nextRunning(after time.Time) (ScheduledTime, error) {
	limit := after.Add(horizon)
	for from, before := after, time.Duration(0); from.Before(limit); before = time.Nanosecond {
		s := spanAt(r.zone, from)
		reading, err := r.calendar.next(s.read(from).Add(-before))
		if err != nil {
			return ScheduledTime{}, err
		}
		if at := s.at(reading); s.contains(at) {
			return ScheduledTime{At: at.In(r.zone)}, nil
		}
		from = s.end
	}
	return ScheduledTime{}, ErrNoMore
}
