package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"tutti/api"
	"tutti/api/event"
	"tutti/fanout"
	"tutti/store"
)

// A History reads the runs of a server like those of a history on this machine.
type History struct{ c *Client }

// History is the runs of the server.
func (c *Client) History() *History { return &History{c} }

// Runs are those that fit q, newest first.
func (h *History) Runs(ctx context.Context, q store.Query) ([]store.Run, error) {
	forms, err := h.Forms(ctx, q)
	if err != nil {
		return nil, err
	}
	runs := make([]store.Run, len(forms))
	for i := range forms {
		if runs[i], err = forms[i].Stored(); err != nil {
			return nil, h.c.strange(err)
		}
	}
	return runs, nil
}

// Forms are the forms of the runs that fit q, newest first, with fields that a store.Run
// lacks. A word of q with a space in it is two words for the server.
func (h *History) Forms(ctx context.Context, q store.Query) ([]api.Run, error) {
	query := values("q", strings.Join(q.Words, " "), "source", q.Source, "user", q.User)
	if !q.Since.IsZero() {
		query.Set("since", event.FormatTime(q.Since))
	}
	if q.Running {
		query.Set("state", string(store.Running))
	}
	addWords(query, "outcome", q.Outcomes)
	hosts := q.Hosts
	if q.Host != "" {
		hosts = []string{q.Host}
	}
	switch len(hosts) {
	case 0:
	case 1:
		query.Set("host", hosts[0])
	default:
		return nil, errors.New("a server selects runs by one host only")
	}
	return list[api.Run](ctx, h.c, q.Limit, query, "runs")
}

// Run is the run that ref names. The server takes last as the newest run of the
// principal.
func (h *History) Run(ctx context.Context, ref, _ string) (store.Run, error) {
	var form api.Run
	if err := h.c.get(ctx, &form, nil, "runs", ref); err != nil {
		return store.Run{}, h.noRun(ctx, ref, err)
	}
	run, err := form.Stored()
	if err != nil {
		return run, h.c.strange(err)
	}
	return run, nil
}

// noRun makes of a refusal the error that a history has.
func (h *History) noRun(ctx context.Context, ref string, err error) error {
	refused, ok := errors.AsType[*ProblemError](err)
	if !ok || refused.Name != "no-run" && refused.Name != "pruned" {
		return err
	}
	if strings.Contains(refused.Advised, "want a number") {
		return &store.RefError{Ref: ref}
	}
	none := &store.NoRunError{Ref: ref}
	if newest, listErr := list[api.Run](ctx, h.c, 1, nil, "runs"); listErr == nil && len(newest) > 0 {
		none.Newest = newest[0].Run
	}
	return none
}

// HostsOf are the hosts of the run that ref names, in the order of its plan: all, or those
// that ended with one of outcomes.
func (h *History) HostsOf(ctx context.Context, ref, _ string, outcomes []fanout.Outcome) ([]string, error) {
	rows, err := h.rows(ctx, ref, outcomes)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(rows))
	for i := range rows {
		names[i] = rows[i].Host
	}
	return names, nil
}

func (h *History) rows(ctx context.Context, ref string, outcomes []fanout.Outcome) ([]api.RunHost, error) {
	query := url.Values{}
	addWords(query, "outcome", outcomes)
	rows, err := list[api.RunHost](ctx, h.c, 0, query, "runs", ref, "hosts")
	if err != nil {
		return nil, h.noRun(ctx, ref, err)
	}
	return rows, nil
}

// Results are those of the hosts of a run, in the order of its plan.
func (h *History) Results(ctx context.Context, run int64) ([]store.HostResult, error) {
	rows, err := h.rows(ctx, number(run), nil)
	if err != nil {
		return nil, err
	}
	results := make([]store.HostResult, len(rows))
	for i := range rows {
		if results[i], err = rows[i].Stored(i); err != nil {
			return nil, h.c.strange(err)
		}
	}
	return results, nil
}

// Decided is how a run was decided. Below admin it lacks what is about the machine of the
// server.
func (h *History) Decided(ctx context.Context, run int64) (store.Decided, error) {
	var form api.RunPlan
	if err := h.c.get(ctx, &form, nil, "runs", number(run), "plan"); err != nil {
		return store.Decided{}, h.noRun(ctx, number(run), err)
	}
	d := store.Decided{Task: form.Task, Given: form.Options}
	if len(form.Task.Env) == 0 {
		return d, nil
	}
	if d.Given == nil {
		d.Given = map[string][]string{}
	}
	d.Given["env"] = nil
	for _, v := range form.Task.Env {
		text := v.Name // of a secret
		if v.Secret == nil {
			text += "=" + v.Value
		}
		d.Given["env"] = append(d.Given["env"], text)
	}
	return d, nil
}

// strange is the error for an answer that is not valid.
func (c *Client) strange(err error) error {
	return fmt.Errorf("the answer of %s is not understood: %w", c.address, err)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
