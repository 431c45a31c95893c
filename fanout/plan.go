package fanout

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Plan is a run that has been decided on and not started: what to do, where,
// and under which policy. It is immutable once made.
type Plan struct {
	// Source says who asked: "cli", "rerun", "job".
	Source string
	// Selector is the text that chose the targets, for people to read.
	Selector string
	Task     Task
	// Targets in the order in which they are started. Targets[i].Index is i and
	// the names are unique.
	Targets []Target
	Policy  Policy
}

// A Target is one host's place in one plan.
type Target struct {
	// Index is the target's identity within the plan.
	Index int
	// Name is the host's name in the inventory, unique within the plan. Two
	// names may lead to one address; they are two targets.
	Name string
	// Labels of the host; read-only.
	Labels map[string]string
	// Env are variables of the commands on this target, below those of the task;
	// read-only.
	Env    []Variable
	Limits Limits
	// Gates that this target has to pass: it is started only while every one of
	// them is open.
	Gates []Gate
}

// Limits of a single target. The zero value has none.
type Limits struct {
	// ConnectTimeout bounds the way to a login, for each attempt. 0: no bound.
	ConnectTimeout time.Duration
	// Timeout bounds the command from the moment it is sent, for each attempt.
	// 0: no bound.
	Timeout time.Duration
	// Retries is how many attempts may follow the first.
	Retries int
}

// A Gate lets at most Parallel of the targets that carry it run at the same
// time. Gates of one name in a plan are one gate.
type Gate struct {
	Name     string
	Parallel int
}

// A Policy says how a plan is executed. The zero value goes from host to host, one at a
// time, without limits.
type Policy struct {
	// Fanout is how many targets are worked on at the same time; below 1
	// means 1.
	Fanout int
	// Deadline bounds the whole run. 0: no bound.
	Deadline time.Duration
	Retry    Retry
	// Batches are the sizes of consecutive batches; the last one repeats. A
	// batch starts when every target of the one before has ended, retries
	// included. Empty: a single batch of all.
	Batches []Share
	// Pause is the time between two batches.
	Pause time.Duration
	// MaxFail is how many targets may fail (failed, timeout, lost,
	// unreachable) before no more targets are started. Nil: any number.
	MaxFail *Share
}

// Retry says which outcomes lead to another attempt, within the target's
// Limits.Retries, and when.
type Retry struct {
	// On holds the outcomes that are tried again. A failure that is Final is
	// never tried again.
	On []Outcome
	// Delay before the second attempt; it doubles for each one after that, up
	// to a minute, and is shortened at random by up to a half.
	Delay time.Duration
}

// on reports whether o is tried again.
func (r Retry) on(o Outcome) bool {
	for _, x := range r.On {
		if x == o {
			return true
		}
	}
	return false
}

// A Share is a number of hosts: a count, or a percentage of the hosts of a run.
type Share struct {
	Value   float64
	Percent bool
}

// ParseShare reads "3" or "12.5%".
func ParseShare(s string) (Share, error) {
	digits, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	if !percent {
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil {
			return Share{}, fmt.Errorf("%q: want a number of hosts or a percentage such as 10%%", s)
		}
		return Share{Value: float64(n)}, nil
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > 100 {
		return Share{}, fmt.Errorf("%q: want a percentage between 0%% and 100%%", s)
	}
	return Share{Value: v, Percent: true}, nil
}

// String is the form that ParseShare reads.
func (s Share) String() string {
	text := strconv.FormatFloat(s.Value, 'f', -1, 64)
	if s.Percent {
		return text + "%"
	}
	return text
}

// MarshalText is String.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseShare.
func (s *Share) UnmarshalText(text []byte) error {
	v, err := ParseShare(string(text))
	*s = v
	return err
}

// batchOf is the size of a batch in a run over n hosts: a percentage is rounded
// up, and no batch is empty.
func (s Share) batchOf(n int) int {
	return max(1, s.of(n, math.Ceil))
}

// toleratedOf is how many of n hosts may fail: a percentage is rounded down,
// so that no more than that part of the hosts ever fails unnoticed.
func (s Share) toleratedOf(n int) int {
	return s.of(n, math.Floor)
}

func (s Share) of(n int, round func(float64) float64) int {
	if !s.Percent {
		return int(s.Value)
	}
	return int(round(s.Value * float64(n) / 100))
}

// policyJSON is the recorded form of a Policy. Its field names are public:
// they stand in the plan column of the history.
type policyJSON struct {
	Fanout       int       `json:"fanout"`
	DeadlineMS   int64     `json:"deadline_ms,omitempty"`
	RetryOn      []Outcome `json:"retry_on,omitempty"`
	RetryDelayMS int64     `json:"retry_delay_ms,omitempty"`
	Batches      []Share   `json:"batches,omitempty"`
	PauseMS      int64     `json:"pause_ms,omitempty"`
	MaxFail      *Share    `json:"max_fail,omitempty"`
}

// MarshalJSON writes the policy with durations in milliseconds.
func (p Policy) MarshalJSON() ([]byte, error) {
	return json.Marshal(policyJSON{
		Fanout:       p.Fanout,
		DeadlineMS:   p.Deadline.Milliseconds(),
		RetryOn:      p.Retry.On,
		RetryDelayMS: p.Retry.Delay.Milliseconds(),
		Batches:      p.Batches,
		PauseMS:      p.Pause.Milliseconds(),
		MaxFail:      p.MaxFail,
	})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Policy) UnmarshalJSON(data []byte) error {
	var v policyJSON
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	*p = Policy{
		Fanout:   v.Fanout,
		Deadline: time.Duration(v.DeadlineMS) * time.Millisecond,
		Retry:    Retry{On: v.RetryOn, Delay: time.Duration(v.RetryDelayMS) * time.Millisecond},
		Batches:  v.Batches,
		Pause:    time.Duration(v.PauseMS) * time.Millisecond,
		MaxFail:  v.MaxFail,
	}
	return nil
}
