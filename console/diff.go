package console

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tutti/api"
	"tutti/api/event"
	"tutti/internal/hostlist"
	"tutti/internal/sanitize"
)

// A diffPage is what changed between two runs.
type diffPage struct {
	*runHead
	// Before is the earlier run; nil: one is to be chosen.
	Before *runRow
	// Choices are earlier runs of the same command or job.
	Choices []runRow
	By      string
	// Asked are the ways in which the two runs were not the same.
	Asked []string
	Cards []diffCard
	Same  int
	// SameHosts are those on which nothing changed.
	SameHosts string
	More      bool
}

// A diffCard is hosts with the same change.
type diffCard struct {
	N             int
	Hosts         string
	Before, After *fate
	Streams       []streamDiff
	Unrecorded    bool
}

// A fate is how hosts ended in one of the runs.
type fate struct{ State, Why string }

// A streamDiff is what changed in a stream.
type streamDiff struct {
	Name, Reason string
	Lines        []diffLine
}

// A diffLine is a line of it: added, removed, of both, or a place.
type diffLine struct{ Kind, Text string }

func showDiff(v *visit) {
	number := v.r.PathValue("run")
	p := &diffPage{runHead: headOf(v, "diff"), By: v.r.URL.Query().Get("by")}
	with := strings.TrimSpace(v.r.URL.Query().Get("with"))
	if with == "" {
		addChoices(v, p)
		v.show("diff", "Compare run "+number, p)
		return
	}
	var before api.Run
	if v.get(&before, at("/runs/{run}", with)) {
		row := newRunRow(&before)
		p.Before = &row
		p.Asked = askedOther(&before, &p.Run)
	}
	query := url.Values{"with": {with}, "limit": {"1000"}}
	if p.By != "" {
		query.Set("by", p.By)
	}
	var diffs api.List[event.Diff]
	if v.get(&diffs, withQuery(at("/runs/{run}/diff", number), query)) {
		p.take(diffs.Items)
		p.More = diffs.Next != ""
	}
	p.CLI = "tutti diff " + with + " " + number
	if v.problem != nil && (v.problem.Status == http.StatusUnprocessableEntity || v.problem.Status == http.StatusConflict) && p.Before != nil {
		v.again("diff", "Compare run "+number, p)
		return
	}
	v.show("diff", "Run "+with+" and run "+number, p)
}

// addChoices are earlier runs that may be meant: those of the same job, or on the same
// selector.
func addChoices(v *visit, p *diffPage) {
	if v.problem != nil {
		return
	}
	query := url.Values{"limit": {"20"}}
	if p.Job != "" {
		query.Set("job", p.Job)
	} else {
		query.Set("selector", p.Selector)
	}
	var list api.List[api.Run]
	v.get(&list, withQuery("/runs", query))
	for i := range list.Items {
		if r := &list.Items[i]; r.Run < p.Run.Run && r.State.Ended() {
			p.Choices = append(p.Choices, newRunRow(r))
		}
	}
}

// askedOther are the ways in which two runs were not asked for in the same way.
func askedOther(before, after *api.Run) []string {
	var all []string
	if before.Command != after.Command {
		all = append(all, "The commands differ.")
	}
	if before.Selector != after.Selector {
		all = append(all, "The selectors differ: "+before.Selector+" before, "+after.Selector+" now.")
	}
	if before.Hosts != after.Hosts {
		all = append(all, plural(before.Hosts, "host")+" before, "+plural(after.Hosts, "host")+" now.")
	}
	return all
}

// take makes cards of what changed; what did not is counted.
func (p *diffPage) take(diffs []event.Diff) {
	var same []string
	for i := range diffs {
		d := &diffs[i]
		if !d.Changed {
			same = append(same, d.Hosts...)
			continue
		}
		card := diffCard{N: len(d.Hosts), Hosts: hostlist.Fold(d.Hosts), Before: fateOf(d.Before), After: fateOf(d.After), Unrecorded: d.Unrecorded}
		for _, s := range []struct {
			name string
			diff *event.StreamDiff
		}{{"stdout", d.Stdout}, {"stderr", d.Stderr}} {
			if s.diff != nil {
				card.Streams = append(card.Streams, streamDiff{s.name, s.diff.Reason, diffLines(s.diff)})
			}
		}
		p.Cards = append(p.Cards, card)
	}
	p.Same, p.SameHosts = len(same), hostlist.Fold(same)
}

func fateOf(f *event.Fate) *fate {
	if f == nil {
		return nil
	}
	x := &fate{State: f.Outcome.String()}
	switch {
	case f.Signal != "":
		x.Why = "signal " + f.Signal
	case f.ExitCode != nil && *f.ExitCode != 0:
		x.Why = "exit " + strconv.FormatUint(uint64(*f.ExitCode), 10)
	case f.ErrorOp != "":
		x.Why = string(f.ErrorOp)
	}
	return x
}

// diffLines are the lines of a unified diff, as text.
func diffLines(d *event.StreamDiff) []diffLine {
	text := d.Diff
	if d.Encoding == "base64" {
		data, _ := base64.StdEncoding.DecodeString(text) // what cannot be decoded is not there
		text = string(data)
	}
	var lines []diffLine
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		kind := "both"
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
			continue
		case strings.HasPrefix(line, "+"):
			kind = "added"
		case strings.HasPrefix(line, "-"):
			kind = "removed"
		case strings.HasPrefix(line, "@@"):
			kind = "place"
		}
		lines = append(lines, diffLine{kind, sanitize.Visible(line)})
	}
	return lines
}
