package scheduler

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"tutti/internal/quantity"
)

// An everyRule fires at a constant distance in real time, whatever the zone's clock
// does.
type everyRule struct {
	period time.Duration
	// phase is the first firing's distance from the Unix epoch, less than period.
	phase time.Duration
	zone  *time.Location
}

// parseEvery reads "@every DURATION".
func parseEvery(words []word, o *Options) (rule, error) {
	d, bad := argument(words, "@every 90s")
	if bad != nil {
		return nil, bad
	}
	period, err := quantity.ParseDuration(d.text)
	switch {
	case err != nil:
		return nil, badf(d.column, "%v", err)
	case period < time.Second:
		return nil, badf(d.column, "%s is shorter than a second", d.text)
	case period%time.Second != 0:
		return nil, badf(d.column, "%s: want whole seconds", d.text)
	case period > horizon:
		return nil, badf(d.column, "%s is longer than 40 years", d.text)
	}
	phase := hash(o.Job, time.Unix(0, 0)) % uint64(period/time.Second)
	return &everyRule{period: period, phase: time.Duration(phase) * time.Second, zone: o.zone()}, nil
}

// argument returns the only word after an expression's first.
func argument(words []word, example string) (word, *SyntaxError) {
	switch {
	case len(words) == 1:
		return word{}, hintf("as in %q", example).at(words[0].column+len(words[0].text), "%s needs an argument", words[0].text)
	case len(words) > 2:
		return word{}, badf(words[2].column, "unexpected %q after the end of the schedule", clipped(words[2].text))
	}
	return words[1], nil
}

// hash returns a number that depends on the job and the scheduled time only, and is the
// same on every machine and in every version.
func hash(job string, at time.Time) uint64 {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(job+"\x00"), uint64(at.Unix())))
	return binary.BigEndian.Uint64(sum[:])
}

func (r *everyRule) next(after time.Time) (ScheduledTime, error) {
	period, phase := int64(r.period/time.Second), int64(r.phase/time.Second)
	since := after.Unix() - phase
	n := since / period
	if since%period < 0 {
		n--
	}
	return ScheduledTime{At: time.Unix((n+1)*period+phase, 0).In(r.zone)}, nil
}

func (r *everyRule) words() string {
	return fmt.Sprintf("every %s", quantity.FormatDuration(r.period))
}

func (r *everyRule) warnings() []string { return nil }

// An atRule fires once.
type atRule struct {
	at     time.Time
	column int // of the time in the text
}

// parseAt reads "@at TIME".
func parseAt(words []word, o *Options) (rule, error) {
	w, bad := argument(words, "@at 2027-01-31T18:00:00+01:00")
	if bad != nil {
		return nil, bad
	}
	at, err := time.Parse(time.RFC3339, w.text)
	switch {
	case err != nil:
		return nil, badf(w.column, "%q: want a time with a UTC offset, such as 2027-01-31T18:00:00+01:00 or …T17:00:00Z", clipped(w.text))
	case at.Nanosecond() != 0:
		return nil, badf(w.column, "%s: want a whole second", w.text)
	case at.UTC().Year() < firstYear || at.UTC().Year() > lastYear:
		return nil, badf(w.column, "%s: want %d to %d", w.text, firstYear, lastYear)
	}
	return &atRule{at: at.In(o.zone()), column: w.column}, nil
}

func (r *atRule) next(after time.Time) (ScheduledTime, error) {
	if r.at.After(after) {
		return ScheduledTime{At: r.at}, nil
	}
	return ScheduledTime{}, ErrNoMore
}

func (r *atRule) words() string { return "once, at " + r.at.Format("2006-01-02 15:04:05 -07:00") }

func (r *atRule) warnings() []string { return nil }
