package typed

import (
	"fmt"
	"slices"
	"strings"

	"tutti/fanout"
)

var (
	_ Value = (*Outcomes)(nil)
	_ Value = (*Retryable)(nil)
	_ Value = (*Shares)(nil)
)

// Outcomes are separated by commas.
type Outcomes []fanout.Outcome

// Set reads outcomes, which take the place of those before.
func (v *Outcomes) Set(s string) error {
	var out Outcomes
	for _, word := range strings.Split(s, ",") {
		o, err := fanout.ParseOutcome(strings.TrimSpace(word))
		if err != nil {
			return err
		}
		out = append(out, o)
	}
	*v = out
	return nil
}

func (v *Outcomes) String() string { return strings.Join(OutcomeWords(*v), ",") }

// Type is the placeholder in help.
func (v *Outcomes) Type() string { return "OUTCOME,..." }

// Words are all outcomes.
func (v *Outcomes) Words() ([]string, bool) { return OutcomeWords(fanout.Outcomes()), true }

// OutcomeWords are the words for outcomes.
func OutcomeWords(outcomes []fanout.Outcome) []string {
	words := make([]string, len(outcomes))
	for i, o := range outcomes {
		words[i] = o.String()
	}
	return words
}

// retryable are the outcomes after which another attempt makes sense.
var retryable = []fanout.Outcome{fanout.Unreachable, fanout.Lost, fanout.Timeout, fanout.Failed}

// Retryable are outcomes after which another attempt makes sense.
type Retryable []fanout.Outcome

// Set reads outcomes, which take the place of those before.
func (v *Retryable) Set(s string) error {
	var out Outcomes
	err := out.Set(s)
	if err != nil || slices.ContainsFunc(out, func(o fanout.Outcome) bool { return !slices.Contains(retryable, o) }) {
		return fmt.Errorf("%q: want one or more of %s", s, strings.Join(OutcomeWords(retryable), ","))
	}
	*v = Retryable(out)
	return nil
}

func (v *Retryable) String() string { return (*Outcomes)(v).String() }

// Type is the placeholder in help.
func (v *Retryable) Type() string { return (*Outcomes)(v).Type() }

// Words are those that make sense.
func (v *Retryable) Words() ([]string, bool) { return OutcomeWords(retryable), true }

// Shares are numbers of hosts and percentages, separated by commas.
type Shares []fanout.Share

// Set reads shares, which take the place of those before.
func (v *Shares) Set(s string) error {
	var out Shares
	for _, word := range strings.Split(s, ",") {
		share, err := fanout.ParseShare(word)
		if err != nil {
			return err
		}
		out = append(out, share)
	}
	*v = out
	return nil
}

func (v *Shares) String() string {
	words := make([]string, len(*v))
	for i, s := range *v {
		words[i] = fmt.Sprint(s)
	}
	return strings.Join(words, ",")
}

// Type is the placeholder in help.
func (v *Shares) Type() string { return "N|P%,..." }
