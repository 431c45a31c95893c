package scheduler

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fewTimes bounds how many times of day are listed one by one.
const fewTimes = 6

// manyItems bounds the lists of numbers; a longer one is shown as the expression has
// it.
const manyItems = 12

func (f *fields) words() string {
	parts := []string{f.timeWords()}
	if days := f.dayWords(); days != "" {
		parts = append(parts, days)
	}
	if f[month].restricted() {
		parts = append(parts, "in "+f[month].words(monthWord))
	}
	if f[year].restricted() {
		parts = append(parts, "in "+f[year].words(strconv.Itoa))
	}
	return strings.Join(parts, ", ")
}

func (f *fields) timeWords() string {
	s, m, h := &f[second], &f[minute], &f[hour]
	withSeconds := s.star || !slices.Equal(s.values, []int{0})
	if !s.star && !m.star && !h.star && len(s.values)*len(m.values)*len(h.values) <= fewTimes {
		return "at " + list(timesOfDay(s, m, h, withSeconds))
	}
	text := m.unitWords("minute", 60)
	if withSeconds {
		if seconds := s.unitWords("second", 60); m.star {
			text = seconds
		} else {
			text = seconds + " of " + strings.TrimPrefix(text, "at ")
		}
	}
	switch {
	case h.star && m.even(60) == 0 && !m.star:
		text += " of every hour"
	case h.every > 1 && h.even(24) > 0:
		text += fmt.Sprintf(" of every %s hour from midnight", nth(h.every))
	case len(h.values) == 1:
		text += " of hour " + h.words(strconv.Itoa)
	case !h.star:
		text += " of the hours " + h.words(strconv.Itoa)
	}
	return text
}

// timesOfDay lists all times that the three fields match.
func timesOfDay(s, m, h *field, withSeconds bool) []string {
	var all []string
	for _, hh := range h.values {
		for _, mm := range m.values {
			for _, ss := range s.values {
				text := fmt.Sprintf("%02d:%02d", hh, mm)
				if withSeconds {
					text += fmt.Sprintf(":%02d", ss)
				}
				all = append(all, text)
			}
		}
	}
	return all
}

// even returns the n of */n if n divides the unit's count, else 0.
func (f *field) even(count int) int {
	if f.every > 0 && count%f.every == 0 {
		return f.every
	}
	return 0
}

// unitWords describes a field of seconds or minutes, which the next unit has count of.
func (f *field) unitWords(unit string, count int) string {
	switch n := f.even(count); {
	case f.star, n == 1:
		return "every " + unit
	case n > 1:
		return fmt.Sprintf("every %d %ss", n, unit)
	}
	return fmt.Sprintf("at %s %s", unit, f.words(strconv.Itoa))
}

// words lists the values of a field; three or more consecutive ones are a range.
func (f *field) words(name func(int) string) string {
	if f.star {
		return "every " + f.kind.name
	}
	var items []string
	for i := 0; i < len(f.values); {
		j := i
		for j+1 < len(f.values) && f.values[j+1] == f.values[j]+1 {
			j++
		}
		if j-i < 2 {
			j = i
			items = append(items, name(f.values[i]))
		} else {
			items = append(items, name(f.values[i])+" to "+name(f.values[j]))
		}
		i = j + 1
	}
	if len(items) > manyItems {
		return f.text
	}
	return list(items)
}

// dayWords describes the days; empty if "every day" is understood.
func (f *fields) dayWords() string {
	switch {
	case f.eitherDay():
		return f.monthDayWords() + " and also " + f.weekDayWords()
	case f.bothDays():
		return f.monthDayWords() + " but only " + f.weekDayWords()
	case f[dayOfMonth].restricted():
		return f.monthDayWords()
	case f[dayOfWeek].restricted():
		return f.weekDayWords()
	case f[hour].star:
		return ""
	}
	return "every day"
}

func (f *fields) monthDayWords() string {
	d := &f[dayOfMonth]
	var items []string
	if len(d.values) > 0 {
		items = append(items, "day "+d.words(strconv.Itoa))
	}
	for _, v := range d.workdays {
		items = append(items, fmt.Sprintf("the workday nearest to day %d", v))
	}
	if d.last {
		items = append(items, "the last day")
	}
	if d.lastWorkday {
		items = append(items, "the last workday")
	}
	return "on " + list(items) + " of the month"
}

func (f *fields) weekDayWords() string {
	d := &f[dayOfWeek]
	var items []string
	if len(d.values) > 0 {
		items = append(items, d.words(dayWord))
	}
	for _, v := range d.nth {
		items = append(items, fmt.Sprintf("the %s %s of the month", ordinal(v/10), dayWord(v%10)))
	}
	for _, v := range d.lastOf {
		items = append(items, fmt.Sprintf("the last %s of the month", dayWord(v)))
	}
	return "on " + list(items)
}

func (f *fields) warnings() []string {
	var all []string
	if f.eitherDay() {
		all = append(all, fmt.Sprintf("day of month %q and day of week %q: the job fires on days that match either, not only both",
			f[dayOfMonth].text, f[dayOfWeek].text))
	}
	if f.bothDays() {
		all = append(all, fmt.Sprintf("day of month %q and day of week %q: the job fires only on days that match both, because one of them begins with *",
			f[dayOfMonth].text, f[dayOfWeek].text))
	}
	for _, unit := range []struct{ field, count int }{{second, 60}, {minute, 60}, {hour, 24}} {
		x := &f[unit.field]
		if x.every < 2 || unit.count%x.every == 0 {
			continue
		}
		top := x.values[len(x.values)-1]
		all = append(all, fmt.Sprintf("%q is uneven: %s %d is followed by %[2]s 0, an interval of %[4]d", x.text, x.kind.name, top, unit.count-top))
	}
	return all
}

func monthWord(m int) string { return time.Month(m).String() }
func dayWord(d int) string   { return time.Weekday(d % 7).String() }

// ordinal is the word for a week of the month.
func ordinal(n int) string {
	return []string{"", "first", "second", "third", "fourth", "fifth"}[n]
}

// nth is 2nd, 3rd, 4th.
func nth(n int) string {
	ending := "th"
	switch n {
	case 2:
		ending = "nd"
	case 3:
		ending = "rd"
	}
	return strconv.Itoa(n) + ending
}

// list is "a, b and c".
func list(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	return strings.Join(items[:len(items)-1], ", ") + " and " + items[len(items)-1]
}
