package scheduler

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

func zone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	z, err := LoadZone(name)
	if err != nil {
		tb.Fatal(err)
	}
	return z
}

func parse(tb testing.TB, zoneName string, texts ...string) *Schedule {
	tb.Helper()
	s, err := Parse(texts, Options{Zone: zone(tb, zoneName), Seconds: true, Job: "job"})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func utc(tb testing.TB, text string) time.Time {
	tb.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		tb.Fatal(err)
	}
	return at
}

func next(tb testing.TB, s *Schedule, after time.Time) ScheduledTime {
	tb.Helper()
	in, err := s.Next(after)
	if err != nil {
		tb.Fatalf("next after %s: %v", after, err)
	}
	return in
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		text   string
		column int
		want   string // in the error
	}{
		{"", 0, "empty value"},
		{" \t ", 0, "empty value"},
		{"* * * *", 0, "want 5 fields, got 4"},
		{"0 */5 * * * *", 13, `with a year, write seven fields: "0 0 */5 * * * *"`},
		{"0 0 0 * * * 2027 backup", 18, `unexpected "backup" after the year`},
		{"60 * * * *", 1, "minute 60: want 0 to 59; the full hour is minute 0"},
		{"0 24 * * *", 3, "hour 24: want 0 to 23; midnight is hour 0"},
		{"0 0 0 * *", 5, "day of month 0: want 1 to 31; the first day is 1"},
		{"0 0 32 * *", 5, "want 1 to 31"},
		{"0 0 1 13 *", 7, "month 13"},
		{"0 0 1 0 *", 7, "January is 1"},
		{"0 0 * * 8", 9, "day of week 8: want 0 to 7"},
		{"0 0 0 1 1 * 1969", 13, "year 1969: want 1970 to 2099"},
		{"0 0 0 1 1 * 99999", 13, "year 99999"},
		{"0 21-9 * * *", 3, `the range 21-9 is reversed; did you mean "21-23,0-9"?`},
		{"0 23-0 * * *", 3, `did you mean "23,0"?`},
		{"0 21-3/2 * * *", 3, `did you mean "21,23,1,3"?`},
		{"0 0 * * fri-mon", 9, `did you mean "fri-sat,sun-mon"?`},
		{"0 0 * nov-feb *", 7, `did you mean "nov-dec,jan-feb"?`},
		{"0/0 * * * *", 3, `a step cannot be 0; remove "/0", or write */1`},
		{"*/0 * * * *", 3, "a step cannot be 0"},
		{"*/90 * * * *", 3, "a step of 90 exceeds the largest minute, 59; for longer intervals, use @every"},
		{"0 0 */31 * *", 7, "write only 1"},
		{"*/x * * * *", 3, `step "x"`},
		{"*/ * * * *", 3, `step ""`},
		{"1,,2 * * * *", 3, "missing minute between commas"},
		{"1, * * * *", 3, "missing minute between commas"},
		{"*,5 * * * *", 1, "* already means every minute; remove the rest"},
		{"? * * * *", 1, "? is for days only; write *"},
		{"5- * * * *", 3, "missing minute"},
		{"-5 * * * *", 1, "missing minute"},
		{"1-2-3 * * * *", 3, `unknown minute "2-3"`},
		{"+5 * * * *", 1, `unknown minute "+5"`},
		{"0 0 L-3 * *", 5, "counting days from the end of the month is not supported; the last day is L"},
		{"0 0 32W * *", 5, `unknown day of month "32W"`},
		{"0 0 * * L", 9, `unknown day of week "L"`},
		{"0 0 * * 5#6", 9, `unknown day of week "5#6"`},
		{"0 0 * * tusday", 9, `unknown day of week "tusday"; did you mean "tue"?`},
		{"0 0 * januar *", 7, `did you mean "jan"?`},
		{"0 0 30 2 *", 5, "day 30 never occurs in February; the last day of a month is L"},
		{"0 0 31 4,6,9,11 *", 5, "day 31 never occurs in April, June, September and November"},
		{"0 0 30,31W feb 1", 5, "day 30 never occurs in February"},
		{"0 0 0 29 2 * 2027", 0, "no such date from 1970 to 2099"},
		{"0 0 0 1 1 * 2020", 0, "it never fires within 40 years from 2026-11-21"},
		{"0 0 0 1 1 * 2098", 0, "it never fires within 40 years"},
		{"@reboot", 1, "@reboot is not supported"},
		{"@dayly", 1, "known are @hourly"},
		{"@daily @hourly", 8, "which is a complete schedule"},
		{"@every", 7, `@every needs an argument; as in "@every 90s"`},
		{"@every 5", 8, "5 has no unit: write 5s"},
		{"@every 0s", 8, "0s is shorter than a second"},
		{"@every 1500ms", 8, "want whole seconds"},
		{"@every -5m", 8, "-5m must not be negative"},
		{"@every 20000d", 8, "longer than 40 years"},
		{"@every 5m from now", 11, `unexpected "from" after the end`},
		{"@at tomorrow", 5, "want a time with a UTC offset"},
		{"@at 2027-01-31T18:00:00", 5, "want a time with a UTC offset"},
		{"@at 2027-01-31T18:00:00.5Z", 5, "want a whole second"},
		{"@at 2020-01-31T18:00:00Z", 5, "this time is in the past; it is 2026-11-21T"},
		{"@at 2100-01-31T18:00:00Z", 5, "want 1970 to 2099"},
		{"CRON_TZ=Europe/Berlin 0 0 * * *", 1, "a time zone is not part of the schedule; give the job a zone"},
		{"0 0 * * *\n", 10, `unexpected '\n'`},
		{"0 0 ∗ * *", 5, `unexpected '∗'`},
		{strings.Repeat("1,", 600), 0, "longer than 1000"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			_, err := Parse([]string{"@daily", tt.text}, Options{Now: utc(t, "2026-11-21T00:00:00Z")})
			bad, ok := errors.AsType[*SyntaxError](err)
			if !ok {
				t.Fatalf("got %v, want a syntax error", err)
			}
			if bad.Column != tt.column || bad.Index != 1 || !strings.Contains(bad.Error(), tt.want) {
				t.Errorf("got %v (column %d, index %d), want column %d and %q", bad, bad.Column, bad.Index, tt.column, tt.want)
			}
		})
	}
	for _, texts := range [][]string{nil, make([]string, 101)} {
		if _, err := Parse(texts, Options{}); err == nil || !strings.Contains(err.Error(), "1 to 100") {
			t.Errorf("%d expressions: got %v", len(texts), err)
		}
	}
}

func TestNext(t *testing.T) {
	tests := []struct {
		text  string
		after string
		want  string // three scheduled times
	}{
		{"*/5 * * * *", "2026-11-21T00:00:00Z", "11-21T00:05:00 11-21T00:10:00 11-21T00:15:00"},
		{"*/5 * * * *", "2026-11-20T23:59:59.5Z", "11-21T00:00:00 11-21T00:05:00 11-21T00:10:00"},
		{"05 06 07 08 *", "2026-01-01T00:00:00Z", "08-07T06:05:00 08-07T06:05:00 08-07T06:05:00"},
		{"0 0 * * 05", "2026-11-21T00:00:00Z", "11-27T00:00:00 12-04T00:00:00 12-11T00:00:00"},
		{"*/20 * * * * *", "2026-11-21T00:00:00Z", "11-21T00:00:20 11-21T00:00:40 11-21T00:01:00"},
		{"10 0 0 1 1 * 2030-2040/5", "2026-11-21T00:00:00Z", "01-01T00:00:10 01-01T00:00:10 01-01T00:00:10"},
		{"0 9-17/4 * * mon-fri", "2026-11-20T12:00:00Z", "11-20T13:00:00 11-20T17:00:00 11-23T09:00:00"},
		{"0 0 * * 5-7", "2026-11-21T00:00:00Z", "11-22T00:00:00 11-27T00:00:00 11-28T00:00:00"},
		{"0 0 * * sat-sun", "2026-11-21T00:00:00Z", "11-22T00:00:00 11-28T00:00:00 11-29T00:00:00"},
		{"0 0 * * 7-2", "2026-11-21T00:00:00Z", "11-22T00:00:00 11-23T00:00:00 11-24T00:00:00"},
		{"0 0 13 * fri", "2026-11-21T00:00:00Z", "11-27T00:00:00 12-04T00:00:00 12-11T00:00:00"},
		{"0 0 13 * ?", "2026-11-21T00:00:00Z", "12-13T00:00:00 01-13T00:00:00 02-13T00:00:00"},
		{"0 0 l * *", "2026-11-21T00:00:00Z", "11-30T00:00:00 12-31T00:00:00 01-31T00:00:00"},
		{"0 0 LW * *", "2026-11-21T00:00:00Z", "11-30T00:00:00 12-31T00:00:00 01-29T00:00:00"},
		{"0 0 15W * *", "2026-11-01T00:00:00Z", "11-16T00:00:00 12-15T00:00:00 01-15T00:00:00"},
		{"0 0 * * friL", "2026-11-21T00:00:00Z", "11-27T00:00:00 12-25T00:00:00 01-29T00:00:00"},
		{"0 0 * * tue#2", "2026-11-21T00:00:00Z", "12-08T00:00:00 01-12T00:00:00 02-09T00:00:00"},
		{"@hourly", "2026-11-21T00:00:00Z", "11-21T01:00:00 11-21T02:00:00 11-21T03:00:00"},
		{"@MIDNIGHT", "2026-11-21T00:00:00Z", "11-22T00:00:00 11-23T00:00:00 11-24T00:00:00"},
		{"@weekly", "2026-11-21T00:00:00Z", "11-22T00:00:00 11-29T00:00:00 12-06T00:00:00"},
		{"@monthly", "2026-11-21T00:00:00Z", "12-01T00:00:00 01-01T00:00:00 02-01T00:00:00"},
		{"@yearly", "2026-11-21T00:00:00Z", "01-01T00:00:00 01-01T00:00:00 01-01T00:00:00"},
		{"  0\t0 * * *  ", "2026-11-21T00:00:00Z", "11-22T00:00:00 11-23T00:00:00 11-24T00:00:00"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			s, at := parse(t, "UTC", tt.text), utc(t, tt.after)
			var got []string
			for range 3 {
				at = next(t, s, at).At
				got = append(got, at.Format("01-02T15:04:05"))
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNextOfSeveral(t *testing.T) {
	s := parse(t, "America/New_York", "30 2 * * *", "0 3 * * *", "@at 2026-03-08T06:00:00Z")
	at := utc(t, "2026-03-08T05:00:00Z")
	for _, want := range []string{"2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z", "2026-03-09T07:00:00Z"} {
		in := next(t, s, at)
		if in.At.UTC().Format(time.RFC3339) != want {
			t.Fatalf("got %s, want %s", in.At.UTC(), want)
		}
		// 02:30 is shifted onto 03:00, which another expression names.
		if in.Shifted != "" {
			t.Errorf("%s: moved: %q", want, in.Shifted)
		}
		at = in.At
	}
}

func TestNextEnds(t *testing.T) {
	for _, text := range []string{"0 0 0 1 1 * 2030", "@at 2030-01-01T00:00:00Z"} {
		s := parse(t, "UTC", text)
		in := next(t, s, utc(t, "2026-11-21T00:00:00Z"))
		if _, err := s.Next(in.At); !errors.Is(err, ErrNoMore) {
			t.Errorf("%s: after the last: got %v, want ErrNoMore", text, err)
		}
		if _, err := s.Next(utc(t, "1980-01-01T00:00:00Z")); !errors.Is(err, ErrNoMore) {
			t.Errorf("%s: 50 years before: got %v, want ErrNoMore", text, err)
		}
	}
	s := parse(t, "Europe/Berlin", "* * * * *", "30 2 * * *", "@every 90s")
	for _, at := range []time.Time{{}, time.Unix(-1<<40, 0), utc(t, "2099-12-31T23:00:00Z"), utc(t, "9999-12-31T23:00:00Z")} {
		in, err := s.Next(at)
		if err == nil && !in.At.After(at) {
			t.Errorf("after %s: got %s", at, in.At)
		}
	}
}

func TestEvery(t *testing.T) {
	options := Options{Job: "a"}
	s, err := Parse([]string{"@every 90s"}, options)
	if err != nil {
		t.Fatal(err)
	}
	// The scheduled times do not depend on where the search starts.
	first := next(t, s, time.Unix(0, 0)).At.Unix()
	if first < 1 || first > 90 {
		t.Errorf("the first is %d s after 1970, want at most a period", first)
	}
	for _, after := range []int64{0, 1, 89, 90, 1_800_000_000, -1000} {
		got := next(t, s, time.Unix(after, 0)).At.Unix()
		if (got-first)%90 != 0 || got <= after || got > after+90 {
			t.Errorf("after %d: got %d", after, got)
		}
	}
	options.Job = "b"
	other, err := Parse([]string{"@every 90s"}, options)
	if err != nil {
		t.Fatal(err)
	}
	if next(t, other, time.Unix(0, 0)).At.Unix() == first {
		t.Error("jobs a and b fire at once")
	}
	// The phase of a job must not change between versions.
	if first != 1 {
		t.Errorf("the phase of job a is %d", first)
	}
}

func TestPeriod(t *testing.T) {
	tests := []struct {
		texts []string
		want  time.Duration
	}{
		{[]string{"*/5 * * * *"}, 5 * time.Minute},
		{[]string{"0 9-17 * * 1-5"}, time.Hour},
		{[]string{"30 2 * * *"}, 23*time.Hour + 30*time.Minute}, // in spring it is 03:00, and 02:30 the day after
		{[]string{"0 3 * * *", "5 3 * * *"}, 5 * time.Minute},
		{[]string{"* * * * * *"}, time.Second},
		{[]string{"@every 7m"}, 7 * time.Minute},
		{[]string{"@at 2030-01-01T00:00:00Z"}, 0},
		{[]string{"@at 2030-01-01T00:00:00Z", "@at 2030-01-01T00:10:00Z"}, 10 * time.Minute},
	}
	for _, tt := range tests {
		got, err := parse(t, "Europe/Berlin", tt.texts...).Period(utc(t, "2026-11-21T00:00:00Z"))
		if err != nil || got != tt.want {
			t.Errorf("%q: got %s, %v, want %s", tt.texts, got, err, tt.want)
		}
	}
}

func TestConcurrentNext(t *testing.T) {
	s := parse(t, "America/New_York", "30 2 * * *", "*/7 * L * 5#2")
	want := next(t, s, utc(t, "2026-03-07T23:00:00Z"))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			at := utc(t, "2026-03-01T00:00:00Z")
			for range 200 {
				in, err := s.Next(at)
				if err != nil || !in.At.After(at) {
					t.Errorf("after %s: got %v, %v", at, in, err)
					return
				}
				at = in.At
			}
			if in, err := s.Next(utc(t, "2026-03-07T23:00:00Z")); err != nil || !in.At.Equal(want.At) {
				t.Errorf("got %v, %v, want %v", in, err, want)
			}
		})
	}
	group.Wait()
}

func TestWords(t *testing.T) {
	tests := []struct{ text, want string }{
		{"* * * * *", "every minute, UTC"},
		{"*/5 * * * *", "every 5 minutes, UTC"},
		{"*/7 * * * *", "at minute 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour, UTC"},
		{"30 2 * * *", "at 02:30, every day, UTC"},
		{"0,30 2,14 * * 1-5", "at 02:00, 02:30, 14:00 and 14:30, on Monday to Friday, UTC"},
		{"0 9-17 * * 1-5", "at minute 0 of the hours 9 to 17, on Monday to Friday, UTC"},
		{"0 */6 * * *", "at 00:00, 06:00, 12:00 and 18:00, every day, UTC"},
		{"0 */2 * * *", "at minute 0 of every 2nd hour from midnight, every day, UTC"},
		{"*/10 9-17 * * *", "every 10 minutes of the hours 9 to 17, every day, UTC"},
		{"0 0 1,15 * *", "at 00:00, on day 1 and 15 of the month, UTC"},
		{"0 0 13 * fri", "at 00:00, on day 13 of the month and also on Friday, UTC"},
		{"0 0 */10 * fri", "at 00:00, on day 1, 11, 21 and 31 of the month but only on Friday, UTC"},
		{"0 0 1 * */2", "at 00:00, on day 1 of the month but only on Sunday, Tuesday, Thursday and Saturday, UTC"},
		{"0 0 L,15W * *", "at 00:00, on the workday nearest to day 15 and the last day of the month, UTC"},
		{"0 0 LW jan,jul *", "at 00:00, on the last workday of the month, in January and July, UTC"},
		{"0 0 * * 5#2,1L", "at 00:00, on the second Friday of the month and the last Monday of the month, UTC"},
		{"*/10 * * * * *", "every 10 seconds, UTC"},
		{"30 */5 * * * *", "at second 30 of every 5 minutes, UTC"},
		{"15 30 2 * * *", "at 02:30:15, every day, UTC"},
		{"0 0 0 1 1 * 2030", "at 00:00, on day 1 of the month, in January, in 2030, UTC"},
		{"1-59/2 1 * * *", "at minute 1-59/2 of hour 1, every day, UTC"},
		{"@hourly", "at minute 0 of every hour, UTC"},
		{"@every 36h", "every 36h"},
		{"@at 2030-01-01T00:00:00Z", "once, at 2030-01-01 00:00:00 +00:00"},
	}
	for _, tt := range tests {
		if got := parse(t, "UTC", tt.text).Describe(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.text, got, tt.want)
		}
	}
	s := parse(t, "Europe/Berlin", "0 3 * * *", "@every 2d")
	if got, want := s.Describe(), "at 03:00, every day; and every 2d, Europe/Berlin"; got != want {
		t.Errorf("two: got %q, want %q", got, want)
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct{ text, want string }{
		{"0 0 13 * 5", `day of month "13" and day of week "5": the job fires on days that match either, not only both`},
		{"0 0 */2 * 1", `day of month "*/2" and day of week "1": the job fires only on days that match both, because one of them begins with *`},
		{"0 0 1 * */2", "match both"},
		{"0 0 1,*/10 * 5", "match either"},
		{"0 0 */2 * *", ""},
		{"0 0 ? * */2", ""},
		{"*/7 * * * *", `"*/7" is uneven: minute 56 is followed by minute 0, an interval of 4`},
		{"0 */5 * * *", "hour 20 is followed by hour 0, an interval of 4"},
		{"0 0 13 * *", ""},
		{"*/15 */6 * * 1-5", ""},
		{"@every 7m", ""},
		{"@at 2030-01-01T00:00:00Z", ""},
	}
	for _, tt := range tests {
		got := strings.Join(parse(t, "UTC", tt.text).Warnings(), "\n")
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.text, got, tt.want)
		}
	}
}
