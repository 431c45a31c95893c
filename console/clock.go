package console

import (
	"fmt"
	"html"
	"html/template"
	"net/http"
	"strings"
	"time"

	"tutti/api/event"
)

// A clock tells times to one person: in its zone, as of now.
type clock struct {
	zone *time.Location
	now  time.Time
}

// zoneCookie has the zone of the browser, which the page's script sets.
const zoneCookie = "tutti-zone"

// clockOf is the clock of who looks; without a zone that is known it is UTC.
func clockOf(r *http.Request, now time.Time) clock {
	c := clock{zone: time.UTC, now: now}
	cookie, err := r.Cookie(zoneCookie)
	if err != nil || cookie.Value == "" || len(cookie.Value) > 64 || strings.EqualFold(cookie.Value, "local") {
		return c
	}
	if zone, err := time.LoadLocation(cookie.Value); err == nil {
		c.zone = zone
	}
	return c
}

// Zone is its name, and Offset how far it is from UTC now: UTC+1.
func (c clock) Zone() string { return c.zone.String() }

// Offset is how far the zone is from UTC: +1, −3:30; empty in UTC.
func (c clock) Offset() string {
	_, seconds := c.now.In(c.zone).Zone()
	if seconds == 0 {
		return ""
	}
	sign := "+"
	if seconds < 0 {
		sign, seconds = "−", -seconds
	}
	text := fmt.Sprintf("%s%d", sign, seconds/3600)
	if minutes := seconds % 3600 / 60; minutes > 0 {
		text += fmt.Sprintf(":%02d", minutes)
	}
	return text
}

// timeOf is a time of an answer; ok is false if there is none.
func timeOf(x any) (t time.Time, ok bool) {
	switch x := x.(type) {
	case event.Time:
		t = time.Time(x)
	case *event.Time:
		if x == nil {
			return t, false
		}
		t = time.Time(*x)
	case time.Time:
		t = x
	}
	return t, !t.IsZero()
}

// At is an element for a time: the day and the time of day, UTC in its tooltip. A dash
// stands for none.
func (c clock) At(x any) template.HTML {
	return c.element(x, func(t time.Time) string { return c.text(t, "15:04:05") })
}

// Milli is At with milliseconds.
func (c clock) Milli(x any) template.HTML {
	return c.element(x, func(t time.Time) string { return c.text(t, "15:04:05.000") })
}

// TimeOfDay is an element for the time of day alone, with milliseconds.
func (c clock) TimeOfDay(x any) template.HTML {
	return c.element(x, func(t time.Time) string { return t.In(c.zone).Format("15:04:05.000") })
}

// Minute is At without seconds.
func (c clock) Minute(x any) template.HTML {
	return c.element(x, func(t time.Time) string { return c.text(t, "15:04") })
}

// Ago is an element for how far away a time is: 3 h ago, in 2 min.
func (c clock) Ago(x any) template.HTML { return c.element(x, c.distance) }

func (c clock) element(x any, text func(time.Time) string) template.HTML {
	t, ok := timeOf(x)
	if !ok {
		return "–"
	}
	utc := t.UTC()
	//nolint:gosec // both texts are made of numbers here, and escaped
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s UTC">%s</time>`,
		html.EscapeString(utc.Format("2006-01-02T15:04:05.000Z")), html.EscapeString(utc.Format("2006-01-02 15:04:05")), html.EscapeString(text(t))))
}

// text is a time as people say it, with its day if that is another.
func (c clock) text(t time.Time, layout string) string {
	t, now := t.In(c.zone), c.now.In(c.zone)
	day := time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, time.UTC)
	today := time.Date(now.Year(), now.Month(), now.Day(), 12, 0, 0, 0, time.UTC)
	clockTime := t.Format(layout)
	switch days := int(day.Sub(today).Hours() / 24); {
	case days == 0:
		return "today " + clockTime
	case days == -1:
		return "yesterday " + clockTime
	case days == 1:
		return "tomorrow " + clockTime
	case days > -7 && days < 7:
		return t.Format("Mon ") + clockTime
	case t.Year() == now.Year():
		return t.Format("2 Jan ") + clockTime
	}
	return t.Format("2 Jan 2006 ") + clockTime
}

// distance is how far away a time is, in its two largest units.
func (c clock) distance(t time.Time) string {
	d := t.Sub(c.now)
	switch {
	case d > -time.Second && d < time.Second:
		return "now"
	case d < 0:
		return long(-d) + " ago"
	}
	return "in " + long(d)
}

// Took is a duration in milliseconds, as people read it; a dash for none.
func (clock) Took(ms any) string {
	var n int64
	switch x := ms.(type) {
	case *int64:
		if x == nil {
			return "–"
		}
		n = *x
	case int64:
		n = x
	}
	d := time.Duration(n) * time.Millisecond
	if d < time.Second {
		return fmt.Sprintf("%d ms", n)
	}
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return long(d)
}

// long is a duration in its two largest units: 1 h 52 min.
func long(d time.Duration) string {
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		n := d / u.size
		if n == 0 && u.size > time.Second {
			continue
		}
		text := fmt.Sprintf("%d %s", n, u.name)
		if i+1 < len(units) {
			if rest := d % u.size / units[i+1].size; rest > 0 && n < 10 {
				text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return text
	}
	return "0 s"
}
