package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"tutti/fanout"
)

// rollingOptions say in which steps a run goes over its hosts, and when it
// stops on the way.
type rollingOptions struct {
	batch   sharesValue
	pause   durationValue
	maxFail sharesValue
}

func (o *rollingOptions) addFlags(f *pflag.FlagSet) {
	f.Var(&o.batch, "batch", "go over the hosts in batches of `SIZES`, such as 1,10%,100%; the last repeats. A batch begins when the one before has ended")
	f.Var(&o.pause, "pause", "wait `DURATION` between two batches")
	f.Var(&o.maxFail, "max-fail", "begin nothing new once more than `N` hosts, or N% of all, are not ok (default with --batch: 0, else any number)")
}

func (o *rollingOptions) finalize(f *pflag.FlagSet) error {
	for _, s := range o.batch {
		if s.Value == 0 {
			return syntaxf("--batch %s: a batch has at least one host", s)
		}
	}
	if len(o.maxFail) > 1 {
		return syntaxf("--max-fail takes one number, not %d", len(o.maxFail))
	}
	if f.Changed("pause") && len(o.batch) == 0 {
		return hint(syntaxf("--pause is between batches, and there is one only"), "--batch makes several")
	}
	return nil
}

// apply writes the options into p.
func (o *rollingOptions) apply(p *fanout.Policy) {
	p.Batches, p.Pause = o.batch, durationOf(o.pause)
	switch {
	case len(o.maxFail) > 0:
		p.MaxFail = &o.maxFail[0]
	case len(o.batch) > 0:
		p.MaxFail = &fanout.Share{}
	}
}

// A sharesValue is a flag that takes numbers of hosts and percentages,
// separated by commas.
type sharesValue []fanout.Share

var _ pflag.Value = (*sharesValue)(nil)

func (v *sharesValue) Set(s string) error {
	var out sharesValue
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

func (v *sharesValue) String() string {
	words := make([]string, len(*v))
	for i, s := range *v {
		words[i] = fmt.Sprint(s)
	}
	return strings.Join(words, ",")
}

// Type is the placeholder in help.
func (v *sharesValue) Type() string { return "N|P%,..." }
