package console

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"tutti/api"
)

// A calendar is the page of the coming firings of a week.
type calendar struct {
	Days                   []time.Time
	Rows                   []calendarRow
	Earlier, Later, Daemon string
	Truncated              bool
	Broken                 []string
	Here                   bool // the week begins today
}

// A calendarRow is a job.
type calendarRow struct {
	Job  string
	Days [7]calendarDay
}

// A calendarDay is what fires of a job on a day.
type calendarDay struct {
	N int
	// Times are those of a few firings.
	Times []string
	Hours []hourTick
	// Moved are what is told of times that the clocks skip or repeat.
	Moved []string
}

// An hourTick is how many fire in an hour.
type hourTick struct{ X, Y, H, N int }

// shownTimes is how many times are written out.
const shownTimes = 3

func showCalendar(v *visit) {
	zone := v.clock.zone
	now := v.clock.now.In(zone)
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
	first, err := time.ParseInLocation(time.DateOnly, v.r.URL.Query().Get("from"), zone)
	if err != nil {
		first = today
	}
	p := &calendar{Here: first.Equal(today), Earlier: first.AddDate(0, 0, -7).Format(time.DateOnly), Later: first.AddDate(0, 0, 7).Format(time.DateOnly)}
	for day := range 7 {
		p.Days = append(p.Days, first.AddDate(0, 0, day))
	}
	query := url.Values{"from": {first.UTC().Format(time.RFC3339)}, "to": {first.AddDate(0, 0, 7).UTC().Format(time.RFC3339)}}
	var c api.Calendar
	if v.get(&c, withQuery("/schedule", query)) {
		p.Truncated, p.Broken = c.Truncated, c.Broken
		p.take(c.Firings, zone)
	}
	v.show("calendar", "Calendar", p)
}

// take sorts firings into jobs and days.
func (p *calendar) take(firings []api.Scheduled, zone *time.Location) {
	rows := map[string]*calendarRow{}
	hours := map[string]*[7][24]int{}
	for i := range firings {
		f := &firings[i]
		t, ok := timeOf(f.DueAt)
		if !ok {
			continue
		}
		t = t.In(zone)
		day, _ := slices.BinarySearchFunc(p.Days, t, func(d, t time.Time) int { return d.AddDate(0, 0, 1).Add(-1).Compare(t) })
		if day >= 7 {
			continue
		}
		if rows[f.Job] == nil {
			rows[f.Job], hours[f.Job] = &calendarRow{Job: f.Job}, &[7][24]int{}
		}
		d := &rows[f.Job].Days[day]
		d.N++
		hours[f.Job][day][t.Hour()]++
		if d.N <= shownTimes {
			d.Times = append(d.Times, t.Format("15:04"))
		}
		if f.Moved != "" {
			d.Moved = append(d.Moved, f.Moved)
		}
	}
	for name, row := range rows {
		for day := range row.Days {
			row.Days[day].Hours = ticks(hours[name][day])
		}
		p.Rows = append(p.Rows, *row)
	}
	slices.SortFunc(p.Rows, func(a, b calendarRow) int { return strings.Compare(a.Job, b.Job) })
}

// ticks are the hours of a day in which something fires, higher the more there is.
func ticks(hours [24]int) []hourTick {
	var all []hourTick
	for hour, n := range hours {
		if n > 0 {
			h := min(16, 5+n)
			all = append(all, hourTick{hour * 4, 16 - h, h, n})
		}
	}
	return all
}
