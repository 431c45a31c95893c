package scheduler

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// walkZones are zones with all kinds of changes: by 30 minutes, at midnight, by
// a day, twice in a month, with the winter as the exception, and none.
var walkZones = []string{
	"UTC", "America/New_York", "America/Los_Angeles", "America/St_Johns", "America/Sao_Paulo", "America/Santiago",
	"America/Asuncion", "America/Havana", "America/Caracas", "America/Scoresbysund", "Europe/Berlin", "Europe/London",
	"Europe/Dublin", "Europe/Lisbon", "Europe/Istanbul", "Europe/Moscow", "Europe/Chisinau", "Africa/Casablanca",
	"Africa/Cairo", "Africa/Windhoek", "Asia/Tehran", "Asia/Gaza", "Asia/Beirut", "Asia/Kathmandu", "Asia/Pyongyang",
	"Asia/Amman", "Antarctica/Troll", "Australia/Lord_Howe", "Australia/Sydney", "Pacific/Apia", "Pacific/Chatham",
	"Pacific/Easter", "Pacific/Kiritimati", "Atlantic/Azores",
}

var walkExpressions = []string{
	"* * * * *", "*/5 * * * *", "*/7 * * * *", "0 * * * *", "30 * * * *", "15,45 * * * *", "0 */2 * * *", "0 */5 * * *",
	"* 2 * * *", "*/15 1-3 * * *", "0-59 * * * 0", "30 2 * * *", "0 2 * * *", "0 0 * * *", "30 0 * * *", "59 23 * * *",
	"45 1 * * *", "0,30 0-4 * * *", "0,30 23,0,1 * * *", "10-50/10 1,2,3 * * *", "0 3 * * *", "5 0 * * 0", "30 1 * * sun",
	"30 2 8-14 3 *", "0 0 1 * *", "0 0 L * *", "30 23 LW * *", "0 12 15W * *", "15 2 * * 0L", "15 2 * * sun#1",
	"30 1 * * sun#2,1", "0 0 13 * fri", "*/20 0 1,15 * 1", "30 2 * 3-4,10-11 *", "0 0 29 2 *", "5 4 1W jan *",
	"0 23/1 * * *", "*/30 0-3 * mar-apr,sep-nov 6-7", "0 0,12 */2 * *",
	"0 0 */2 * 1", "0 0 13 * */5", "30 1 */5 * 1-5", "0 */6 */3,1 * 5,6", "15 2 */2 * 0L", "0 0 */7 * sun#1,3", "0 0 L * */2",
	"0 0 1,*/10 * 1", "0 12 15W * 0,*/3", "59 23 */1 * mon", "0 6 1-7 * */1", "0 0 ? * */2", "*/30 * */4 feb-apr */3",
	"30 0/3 * * *", "7 3 31 * *", "0 1-5/2 * jan-mar ?",
}

// An oracle matches the readings of a clock in the simplest way.
type oracle struct {
	minutes, hours [60]bool
	months         [13]bool
	day            func(time.Time) bool
	fixed          bool
	// known caches the results of day.
	known map[time.Time]bool
}

func newOracle(text string) *oracle {
	words := strings.Fields(text)
	o := &oracle{known: make(map[time.Time]bool)}
	o.fixed = !strings.Contains(words[0]+words[1], "*")
	for v := range 60 {
		o.minutes[v] = oracleMatch(words[0], v, 0, 59)
		o.hours[v] = v < 24 && oracleMatch(words[1], v, 0, 23)
	}
	for v := 1; v <= 12; v++ {
		o.months[v] = oracleMatch(words[3], v, 1, 12)
	}
	inMonth := func(d time.Time) bool { return oracleMonthDay(words[2], d) }
	inWeek := func(d time.Time) bool { return oracleWeekDay(words[4], d) }
	monthGiven, weekGiven := words[2] != "*" && words[2] != "?", words[4] != "*" && words[4] != "?"
	o.day = func(d time.Time) bool {
		switch {
		case !o.months[d.Month()]:
			return false
		case strings.HasPrefix(words[2], "*") || strings.HasPrefix(words[4], "*"):
			return inMonth(d) && inWeek(d) // crontab(5): one of them begins with *
		case monthGiven && weekGiven:
			return inMonth(d) || inWeek(d)
		case monthGiven:
			return inMonth(d)
		}
		return !weekGiven || inWeek(d)
	}
	return o
}

func (o *oracle) match(reading time.Time) bool {
	if !o.minutes[reading.Minute()] || !o.hours[reading.Hour()] {
		return false
	}
	d := reading.Truncate(24 * time.Hour)
	known, ok := o.known[d]
	if !ok {
		known = o.day(d)
		o.known[d] = known
	}
	return known
}

// oracleNames turns names into numbers.
var oracleNames = strings.NewReplacer("jan", "1", "feb", "2", "mar", "3", "apr", "4", "sep", "9", "nov", "11", "sun", "0", "mon", "1", "fri", "5")

func oracleMatch(list string, v, low, high int) bool {
	for item := range strings.SplitSeq(oracleNames.Replace(list), ",") {
		base, step, stepped := strings.Cut(item, "/")
		n := 1
		if stepped {
			n, _ = strconv.Atoi(step)
		}
		from, to := low, high
		if base != "*" && base != "?" {
			a, b, ranged := strings.Cut(base, "-")
			from, _ = strconv.Atoi(a)
			to, _ = strconv.Atoi(b)
			if !ranged {
				to = from
				if stepped {
					to = high
				}
			}
		}
		if v >= from && v <= to && (v-from)%n == 0 {
			return true
		}
	}
	return false
}

func oracleMonthDay(list string, d time.Time) bool {
	last := time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC)
	for item := range strings.SplitSeq(list, ",") {
		switch {
		case item == "L" && d.Equal(last), item == "LW" && d.Equal(oracleWorkday(last)):
			return true
		case item == "L", item == "LW":
		case strings.HasSuffix(item, "W"):
			n, _ := strconv.Atoi(item[:len(item)-1])
			if n <= last.Day() && d.Equal(oracleWorkday(time.Date(d.Year(), d.Month(), n, 0, 0, 0, 0, time.UTC))) {
				return true
			}
		case oracleMatch(item, d.Day(), 1, 31):
			return true
		}
	}
	return false
}

// oracleWorkday is the workday nearest to d in its month.
func oracleWorkday(d time.Time) time.Time {
	for _, by := range []int{0, -1, 1, -2, 2} {
		near := d.AddDate(0, 0, by)
		if near.Month() == d.Month() && near.Weekday() != time.Saturday && near.Weekday() != time.Sunday {
			return near
		}
	}
	return d
}

func oracleWeekDay(list string, d time.Time) bool {
	for item := range strings.SplitSeq(oracleNames.Replace(list), ",") {
		if day, ok := strings.CutSuffix(item, "L"); ok {
			if day == strconv.Itoa(int(d.Weekday())) && d.AddDate(0, 0, 7).Month() != d.Month() {
				return true
			}
			continue
		}
		if day, week, ok := strings.Cut(item, "#"); ok {
			if day == strconv.Itoa(int(d.Weekday())) && week == strconv.Itoa((d.Day()+6)/7) {
				return true
			}
			continue
		}
		if oracleMatch(item, int(d.Weekday()), 0, 6) || d.Weekday() == time.Sunday && oracleMatch(item, 7, 0, 6) {
			return true
		}
	}
	return false
}

// walk compares the schedule of text with a walk over the minutes from start to end,
// and returns the number of scheduled times.
func walk(zone *time.Location, text string, start, end time.Time) (int, error) {
	s, err := Parse([]string{text}, Options{Zone: zone})
	if err != nil {
		return 0, err
	}
	o := newOracle(text)
	at := start.Add(-time.Second)
	want, err := s.Next(at)
	read := func(t time.Time) time.Time {
		_, seconds := t.In(zone).Zone()
		return t.UTC().Add(time.Duration(seconds) * time.Second)
	}
	// Readings that the clock has shown in the two days before count as shown.
	high, count := read(start.Add(-48*time.Hour)), 0
	for t := start.Add(-47 * time.Hour); t.Before(start); t = t.Add(time.Minute) {
		if r := read(t); r.After(high) {
			high = r
		}
	}
	for t := start; t.Before(end); t = t.Add(time.Minute) {
		reading := read(t)
		here := o.match(reading)
		fires := here
		if o.fixed {
			fires = false
			for r := high.Add(time.Minute); !r.After(reading) && !fires; r = r.Add(time.Minute) {
				fires = o.match(r)
			}
			here = here && reading.After(high)
		}
		if reading.After(high) {
			high = reading
		}
		if err != nil && !errors.Is(err, ErrNoMore) {
			return count, err
		}
		if got := err == nil && want.At.Equal(t); got != fires {
			return count, fmt.Errorf("%q in %s: at %s (%s): fires is %t, want %t; next is %s, %w", text, zone, t.In(zone), t.UTC(), got, fires, want.At, err)
		}
		if !fires {
			continue
		}
		if moved := want.Shifted != ""; moved == here {
			return count, fmt.Errorf("%q in %s: at %s: moved is %q", text, zone, t.In(zone), want.Shifted)
		}
		count++
		want, err = s.Next(want.At)
	}
	return count, nil
}

// transitions are the changes of a zone's distance from UTC.
func transitions(zone *time.Location, start, end time.Time) []time.Time {
	var all []time.Time
	_, before := start.In(zone).Zone()
	for t := start; t.Before(end); t = t.Add(15 * time.Minute) {
		if _, now := t.In(zone).Zone(); now != before {
			all, before = append(all, t), now
		}
	}
	return all
}

func yearStart(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }

// soaking selects the long form of the tests, as make soak does.
func soaking() bool { return os.Getenv("TUTTI_SOAK") != "" }

// TestNextIsTheMinuteWalk compares Next with a walk over all minutes: three days
// around each change of the clocks in some years with a quarter of
// the expressions, and a year with one; in the long form ten years with all of them.
func TestNextIsTheMinuteWalk(t *testing.T) {
	if len(walkExpressions) < 40 || len(walkZones) < 30 {
		t.Fatalf("%d expressions in %d zones are too few", len(walkExpressions), len(walkZones))
	}
	for _, name := range walkZones {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := fnv.New64()
			h.Write([]byte(name))
			random := rand.New(rand.NewPCG(1, h.Sum64()))
			z := zone(t, name)
			count := 0
			check := func(text string, start, end time.Time) {
				n, err := walk(z, text, start, end)
				if err != nil {
					t.Fatal(err)
				}
				count += n
			}
			if soaking() {
				for _, text := range walkExpressions {
					check(text, yearStart(2009), yearStart(2019))
				}
				return
			}
			for _, y := range []int{2011, 2018, 2028} {
				for _, change := range transitions(z, yearStart(y), yearStart(y+1)) {
					start := change.Truncate(24*time.Hour).AddDate(0, 0, -1)
					for _, text := range walkExpressions {
						if random.IntN(4) == 0 {
							check(text, start, start.AddDate(0, 0, 3))
						}
					}
				}
			}
			y := 1995 + random.IntN(60)
			check(walkExpressions[random.IntN(len(walkExpressions))], yearStart(y), yearStart(y+1))
			if count == 0 {
				t.Error("nothing fired: the test compares nothing")
			}
		})
	}
}

// TestEveryExpressionIsWalked walks the days around the changes of one zone with all
// expressions; TestNextIsTheMinuteWalk does with some.
func TestEveryExpressionIsWalked(t *testing.T) {
	fired := 0
	for _, name := range []string{"America/New_York", "Pacific/Apia"} {
		z := zone(t, name)
		for _, change := range transitions(z, yearStart(2011), yearStart(2012)) {
			start := change.Truncate(24*time.Hour).AddDate(0, 0, -1)
			for _, text := range walkExpressions {
				n, err := walk(z, text, start, start.AddDate(0, 0, 3))
				if err != nil {
					t.Fatal(err)
				}
				fired += min(n, 1)
			}
		}
	}
	if fired < len(walkExpressions) {
		t.Errorf("only %d of the walks fired anything", fired)
	}
	sorted := slices.Sorted(slices.Values(walkExpressions))
	if len(slices.Compact(sorted)) != len(walkExpressions) {
		t.Error("an expression stands in the table twice")
	}
}
