package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/api/event"
	"tutti/internal/quantity"
	"tutti/jobs"
	"tutti/scheduler"
	"tutti/server/operation"
	"tutti/store"
)

// jobOperations are those that read jobs.
func (a jobOps) operations() []operation.Operation {
	read := operation.Spec{Method: http.MethodGet, Tag: "jobs", Action: access.Read, Problems: []operation.Kind{noJob}}
	spec := func(path, id, summary string) operation.Spec {
		s := read
		s.Path, s.ID, s.Summary = path, id, summary
		return s
	}
	return []operation.Operation{
		operation.ListOf(spec("/jobs", "listJobs", "List the jobs, by name"), a.listJobs),
		operation.Of(spec("/jobs/{job}", "getJob", "Show a job with its next and its last firings, and its versions"), a.getJob),
		operation.ListOf(spec("/jobs/{job}/log", "listFirings", "List what became of the scheduled times of a job, newest first"), a.listFirings),
		operation.Of(outcomesSpec(), a.getOutcomes),
		operation.ListOf(spec("/jobs/{job}/next", "listNext", "List when a job fires next"), a.listNext),
		operation.ListOf(spec("/jobs/{job}/changes", "listChanges", "List the versions of a job, newest first"), a.listChanges),
		operation.Of(changeSpec(), a.getChange),
		operation.Of(exportSpec(), a.exportJobs),
		operation.Of(spec("/schedule", "getSchedule", "Show when all jobs fire within a span of time"), a.getSchedule),
	}
}

// JobPath is a job in a path.
type JobPath struct {
	Job string `path:"job" maxLength:"256" doc:"the name of a job"`
}

type listJobsIn struct {
	operation.Page
	Text  string `query:"q" maxLength:"200" doc:"a part of the name, the selector or the command"`
	State string `query:"state" enum:"ok,failing,running,paused,over,broken" doc:"only jobs in that state"`
}

func (a jobOps) listJobs(ctx context.Context, in *listJobsIn, key string, limit int) ([]api.Job, string, error) {
	views, err := a.Jobs.List(ctx)
	if err != nil {
		return nil, "", err
	}
	if views, err = visibleJobs(ctx, a.API, views, jobOfView); err != nil {
		return nil, "", err
	}
	var items []api.Job
	for i := range views {
		if views[i].Name <= key || !speaksOf(&views[i].Job, in.Text) {
			continue
		}
		v, err := a.seenView(ctx, views[i])
		if err != nil {
			return nil, "", err
		}
		if !v.In(jobs.State(in.State)) {
			continue
		}
		if len(items) == limit {
			return items, items[limit-1].Job, nil
		}
		form, err := a.jobForm(ctx, &v)
		if err != nil {
			return nil, "", err
		}
		items = append(items, form)
	}
	return items, "", nil
}

func jobOfView(v *jobs.View) *scheduler.Job { return &v.Job }

// speaksOf reports whether text is in the words of a job; "" is.
func speaksOf(job *scheduler.Job, text string) bool {
	return strings.Contains(job.Name, text) || strings.Contains(job.Selector, text) || strings.Contains(job.Command, text)
}

func (a jobOps) getJob(ctx context.Context, in *JobPath) (*operation.Answer[api.JobDetails], error) {
	if err := a.seesJob(ctx, in.Job); err != nil {
		return nil, err
	}
	details, err := a.Jobs.Show(ctx, in.Job)
	if err != nil {
		return nil, err
	}
	if details.View, err = a.seenView(ctx, details.View); err != nil {
		return nil, err
	}
	form, err := details.Form()
	if err == nil {
		err = a.hideRuns(ctx, &form.Job, &details.View)
	}
	if err != nil {
		return nil, err
	}
	for i := range details.Firings {
		if form.Firings[i], err = a.firingForm(ctx, &details.Firings[i]); err != nil {
			return nil, err
		}
	}
	answer := operation.Reply(form)
	// It is for If-Match. What a job is doing changes without its version, so that
	// nothing is answered by 304.
	answer.Header = http.Header{"Etag": {strconv.Quote(strconv.FormatInt(form.Version, 10))}}
	return answer, nil
}

type listFiringsIn struct {
	JobPath
	operation.Page
	Since    string   `query:"since" maxLength:"40" doc:"only firings since then: 2h, 7d, 2026-11-20, 2026-11-20T14:30"`
	Decision []string `query:"decision" enum:"run,queued,skipped,missed,failed" doc:"only these decisions"`
}

func (a jobOps) listFirings(ctx context.Context, in *listFiringsIn, key string, limit int) ([]api.Firing, string, error) {
	if err := a.seesJob(ctx, in.Job); err != nil {
		return nil, "", err
	}
	before, err := numberOf(key)
	if err != nil {
		return nil, "", err
	}
	q := store.FiringQuery{Job: in.Job, Before: before, Limit: limit + 1}
	if q.Since, err = a.when("since", in.Since); err != nil {
		return nil, "", err
	}
	for _, word := range in.Decision {
		for d := scheduler.Run; d <= scheduler.Failed; d++ {
			if d.String() == word { // the schema lets no other word through
				q.Decisions = append(q.Decisions, d)
			}
		}
	}
	rows, err := a.Jobs.Log(ctx, q)
	if err != nil {
		return nil, "", err
	}
	last := ""
	if len(rows) > limit {
		rows = rows[:limit]
		last = strconv.FormatInt(rows[limit-1].ID, 10)
	}
	items := make([]api.Firing, len(rows))
	for i := range rows {
		if items[i], err = a.firingForm(ctx, &rows[i]); err != nil {
			return nil, "", err
		}
	}
	return items, last, nil
}

// when is the time that a parameter says; zero if it is empty.
func (a *API) when(parameter, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := quantity.ParseSince(text, a.Now())
	if err != nil {
		return at, operation.Invalid.Fail("").With(api.InParameter(parameter, "want 2h, 7d, 2026-11-20 or 2026-11-20T14:30"))
	}
	return at, nil
}

// parseNumber reads a positive number.
func parseNumber(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n > 0
}

// numberOf is the number in the key of a page; 0 in that of the first.
func numberOf(key string) (int64, error) {
	if key == "" {
		return 0, nil
	}
	n, ok := parseNumber(key)
	if !ok {
		return 0, operation.BadCursor.Fail("")
	}
	return n, nil
}

type listNextIn struct {
	JobPath
	operation.Page
	From time.Time `query:"from" doc:"firings after that; now, if it is not given"`
}

func (a jobOps) listNext(ctx context.Context, in *listNextIn, key string, limit int) ([]api.Next, string, error) {
	if err := a.seesJob(ctx, in.Job); err != nil {
		return nil, "", err
	}
	from, told, err := openNext(key, in.From)
	if err != nil {
		return nil, "", err
	}
	limit = min(limit, maxFirings-told)
	times, err := a.Jobs.Next(ctx, in.Job, 0)
	if err != nil {
		return nil, "", err
	}
	if from.IsZero() {
		from = a.Now()
	}
	next, err := jobs.Coming(times.Timing, from, limit+1)
	if err != nil {
		return nil, "", err
	}
	last := ""
	if len(next) > limit {
		next = next[:limit]
		last = sealNext(next[limit-1].At, told+limit)
	}
	items := make([]api.Next, len(next))
	for i, f := range next {
		items[i] = api.NewNext(f)
	}
	return items, last, nil
}

// sealNext is the key of a firing after which so many have been told: most schedules
// have no end.
func sealNext(at time.Time, told int) string {
	if told >= maxFirings {
		return ""
	}
	return strconv.Itoa(told) + " " + at.Format(time.RFC3339Nano)
}

// openNext reads such a key; "" is before the first after from.
func openNext(key string, from time.Time) (after time.Time, told int, err error) {
	if key == "" {
		return from, 0, nil
	}
	count, text, _ := strings.Cut(key, " ")
	n, ok := parseNumber(count)
	after, err = time.Parse(time.RFC3339Nano, text)
	if !ok || n >= maxFirings || err != nil {
		return after, 0, operation.BadCursor.Fail("")
	}
	return after, int(n), nil
}

type listChangesIn struct {
	JobPath
	operation.Page
}

func (a jobOps) listChanges(ctx context.Context, in *listChangesIn, key string, limit int) ([]api.Change, string, error) {
	if err := a.seesJob(ctx, in.Job); err != nil {
		return nil, "", err
	}
	skip, err := numberOf(key)
	if err != nil {
		return nil, "", err
	}
	changes, err := a.Jobs.Changes(ctx, in.Job)
	if err != nil {
		return nil, "", err
	}
	changes = changes[min(int(skip), len(changes)):]
	last := ""
	if len(changes) > limit {
		changes = changes[:limit]
		last = strconv.Itoa(int(skip) + limit)
	}
	items := make([]api.Change, len(changes))
	for i := range changes {
		items[i] = changeForm(&changes[i])
	}
	return items, last, nil
}

func changeForm(c *store.JobChange) api.Change {
	form := api.Change{Version: c.Version, At: event.Time(c.At), User: c.User, What: c.What}
	if c.Job != nil {
		form.Spec = *c.Job
	}
	return form
}

const (
	// maxCalendar is how long a span of the schedule may be, and maxFirings how many
	// firings are listed of it.
	maxCalendar = 35 * 24 * time.Hour
	maxFirings  = 10_000
)

type getScheduleIn struct {
	From time.Time `query:"from" doc:"now, if it is not given"`
	To   time.Time `query:"to" doc:"at most 35 days later; 7 days, if it is not given"`
}

func (a jobOps) getSchedule(ctx context.Context, in *getScheduleIn) (*operation.Answer[api.Calendar], error) {
	from, to := in.From, in.To
	if from.IsZero() {
		from = a.Now()
	}
	if to.IsZero() {
		to = from.Add(7 * 24 * time.Hour)
	}
	if !to.After(from) || to.Sub(from) > maxCalendar {
		return nil, operation.Invalid.Fail("").With(api.InParameter("to", "want a time after from, at most 35 days later"))
	}
	views, err := a.Jobs.List(ctx)
	if err != nil {
		return nil, err
	}
	calendar := api.Calendar{Schema: 1, Type: "calendar", From: event.Time(from), To: event.Time(to), Firings: []api.Scheduled{}}
	if views, err = visibleJobs(ctx, a.API, views, jobOfView); err != nil {
		return nil, err
	}
	for i := range views {
		v := &views[i]
		if v.Paused {
			continue
		}
		if err := addFirings(&calendar, &v.Job, from, to); err != nil {
			calendar.Broken = append(calendar.Broken, v.Name)
		}
		if len(calendar.Firings) > 2*maxFirings { // not those of all jobs are held at once
			to = cut(&calendar, maxFirings+1)
		}
	}
	cut(&calendar, maxFirings)
	return operation.Reply(calendar), nil
}

// cut leaves the first firings of a calendar, sorted, at most so many, and returns when
// the last of them is.
func cut(c *api.Calendar, most int) (last time.Time) {
	slices.SortStableFunc(c.Firings, func(a, b api.Scheduled) int {
		return time.Time(a.ScheduledAt).Compare(time.Time(b.ScheduledAt))
	})
	if len(c.Firings) > most {
		c.Firings, c.Truncated = c.Firings[:most], true
	}
	if len(c.Firings) > 0 {
		last = time.Time(c.Firings[len(c.Firings)-1].ScheduledAt)
	}
	return last
}

// addFirings adds the firings of a job to a calendar.
func addFirings(c *api.Calendar, job *scheduler.Job, from, to time.Time) error {
	timing, err := job.Timing(from)
	if err != nil {
		return err
	}
	for n, after := 0, from; ; n++ {
		f, err := timing.Next(after)
		if errors.Is(err, scheduler.ErrNoMore) || err == nil && f.At.After(to) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == maxFirings {
			c.Truncated = true
			return nil
		}
		c.Firings = append(c.Firings, api.Scheduled{Job: job.Name, Next: api.NewNext(f)})
		after = f.At
	}
}

// keyOfNumber is the key of an item that has a number.
func keyOfNumber(n int64) string { return strconv.FormatInt(n, 10) }
