package compat

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"tutti/api/event"
	"tutti/fanout"
	"tutti/internal/hostlist"
	"tutti/internal/phrase"
	"tutti/store"
)

// A Task is the answer about a task, and the body of its callback.
type Task struct {
	ID string `json:"id"`
	// Status is "pending", "success" or "failed".
	Status string `json:"status"`
	// Output is what the host wrote; that of several hosts is folded, those with equal
	// output together. Absent while it is pending.
	Output *string `json:"output,omitempty"`
	// Error says why it failed.
	Error string `json:"error,omitempty"`
	// ExitCode is that of the command on a single host; absent if there is none.
	ExitCode *uint32 `json:"exit_code,omitempty"`
	// Outcome is that of the host; for several, the most frequent one that is not ok.
	Outcome string `json:"outcome,omitempty"`
	// Run is the number of the run.
	Run int64 `json:"run,omitempty"`
	// Hosts are absent for a single host.
	Hosts []TaskHost `json:"hosts,omitempty"`
	// Truncated: there is more output on record than is here.
	Truncated bool `json:"output_truncated,omitempty"`
}

// A TaskHost is one of several hosts of a task.
type TaskHost struct {
	Host     string  `json:"host"`
	Outcome  string  `json:"outcome"`
	ExitCode *uint32 `json:"exit_code,omitempty"`
	Output   string  `json:"output"`
}

// The words of a status.
const (
	pending = "pending"
	success = "success"
	failed  = "failed"
)

const (
	// maxOutput bounds the output of all hosts in an answer, in bytes, and maxHostOutput
	// that of each of several hosts.
	maxOutput     = 1 << 20
	maxHostOutput = 64 << 10
	// hostsPage is how many hosts are read at once.
	hostsPage = 1000
)

// Result is the answer about a run whose client calls it id: pending until it has ended.
func Result(ctx context.Context, v store.Views, run *store.Run, id string) (Task, error) {
	t := Task{ID: id, Status: pending, Run: run.ID}
	if !run.State.Ended() {
		return t, nil
	}
	groups, err := v.Groups(ctx, run.ID, nil)
	if err != nil {
		return t, err
	}
	b := &builder{views: v, run: run, left: maxOutput, said: map[string]string{}, task: &t}
	b.judge(groups)
	if run.Summary.Hosts == 1 {
		err = b.single(ctx, groups)
	} else {
		err = b.several(ctx, groups)
	}
	t.Truncated = b.truncated
	return t, err
}

// Body is the answer as a line of JSON.
func (t *Task) Body() ([]byte, error) {
	data, err := json.Marshal(t)
	return append(data, '\n'), err
}

// A builder makes an answer.
type builder struct {
	views store.Views
	run   *store.Run
	task  *Task
	// left is the room for output, in bytes, and said what each sample has written.
	left      int
	said      map[string]string
	truncated bool
}

// judge sets the status, and the outcome and error if a host is not ok.
func (b *builder) judge(groups []store.Group) {
	var bad *store.Group
	count := 0
	for i := range groups {
		g := &groups[i]
		if g.Outcome == fanout.OK {
			continue
		}
		count += len(g.Hosts)
		if bad == nil || len(g.Hosts) >= len(bad.Hosts) {
			bad = g
		}
	}
	t := b.task
	if bad == nil {
		t.Status, t.Outcome = success, fanout.OK.String()
		return
	}
	t.Status, t.Outcome = failed, bad.Outcome.String()
	t.Error = why(&bad.Answer)
	if b.run.Reason != "" {
		t.Error = b.run.Reason
	}
	if b.run.Summary.Hosts != 1 {
		t.Error = fmt.Sprintf("%d of %s not ok: %s", count, phrase.Count(b.run.Summary.Hosts, "host"), t.Error)
	}
}

// why says in a few words why a host is not ok.
func why(a *store.Answer) string {
	switch {
	case a.ExitCode != nil:
		return "exit " + strconv.Itoa(*a.ExitCode)
	case a.Signal != "":
		return "signal " + a.Signal
	case a.Error != "":
		return a.Error
	}
	return a.Outcome.String()
}

// single is the answer of the only host.
func (b *builder) single(ctx context.Context, groups []store.Group) error {
	if len(groups) == 0 {
		return nil
	}
	g := &groups[0]
	if code := g.ExitCode; code != nil {
		n := uint32(*code)
		b.task.ExitCode = &n
	}
	output, err := b.output(ctx, g, maxOutput)
	b.task.Output = &output
	return err
}

// several is the answer of several hosts, those with equal output together.
func (b *builder) several(ctx context.Context, groups []store.Group) error {
	var folded strings.Builder
	for i := range groups {
		g := &groups[i]
		output, err := b.output(ctx, g, maxHostOutput)
		if err != nil {
			return err
		}
		fmt.Fprintf(&folded, "%s: %s\n%s", hostlist.Fold(g.Hosts), verdict(&g.Answer), output)
		if output != "" && !strings.HasSuffix(output, "\n") {
			folded.WriteByte('\n')
		}
		for _, host := range g.Hosts {
			b.said[host] = output
		}
	}
	text := folded.String()
	b.task.Output = &text
	return b.hosts(ctx)
}

// verdict is the outcome of hosts and its reason, in a few words.
func verdict(a *store.Answer) string {
	if text := why(a); a.Outcome != fanout.OK && text != a.Outcome.String() {
		return a.Outcome.String() + ", " + text
	}
	return a.Outcome.String()
}

// output is the start of what the sample of a group has written, as much as there is room for.
func (b *builder) output(ctx context.Context, g *store.Group, most int) (string, error) {
	most = min(most, b.left)
	if !g.Started {
		return "", nil
	}
	if most <= 0 {
		b.truncated = true
		return "", nil
	}
	r, err := b.views.OutputRange(ctx, store.OutputQuery{Run: b.run.ID, Host: g.Sample(), Bytes: most})
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, part := range r.Parts {
		text.Write(part.Data)
	}
	b.truncated = b.truncated || r.More || r.Omitted > 0
	b.left -= text.Len()
	return strings.ToValidUTF8(text.String(), "\uFFFD"), nil
}

// hosts lists the hosts in the order of the plan.
func (b *builder) hosts(ctx context.Context) error {
	room := maxOutput
	b.task.Hosts = make([]TaskHost, 0, b.run.Summary.Hosts)
	for q := (store.ResultQuery{Run: b.run.ID, Limit: hostsPage}); ; {
		page, err := b.views.ResultsPage(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Hosts {
			h := &page.Hosts[i]
			form := event.NewHostFinished(fanout.Event{Target: &h.Target, Result: &h.Result})
			x := TaskHost{Host: h.Target.Name, Outcome: h.Outcome.String(), ExitCode: form.ExitCode}
			if output := b.said[x.Host]; len(output) <= room {
				x.Output = output
				room -= len(output)
			} else {
				b.truncated = true
			}
			b.task.Hosts = append(b.task.Hosts, x)
		}
		if q.From = page.Next; page.Next == 0 {
			return nil
		}
	}
}
