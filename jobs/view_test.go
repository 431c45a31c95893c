package jobs

import (
	"errors"
	"testing"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

func TestState(t *testing.T) {
	failed := &store.FiringRow{Decision: scheduler.Failed, Reason: "no host"}
	tests := []struct {
		name   string
		change func(*View)
		want   State
		wrong  string
	}{
		{"new", func(*View) {}, OK, ""},
		{"paused", func(v *View) { v.Paused = true }, Paused, ""},
		{"running", func(v *View) { v.Running, v.Paused = []int64{1}, true }, Running, ""},
		{"failing", func(v *View) { v.ConsecutiveFailures.Count = 2 }, Failing, ""},
		{"its last firing could not be begun", func(v *View) { v.Last, v.ConsecutiveFailures.Count = failed, 1 }, Broken, "no host"},
		{"paused since", func(v *View) { v.Last, v.Paused = failed, true }, Paused, ""},
		{"mended since", func(v *View) { v.Last, v.ConsecutiveFailures.Count = failed, 1 }, Failing, ""},
		{"cannot be read", func(v *View) { v.StoredJob.Broken = errors.New("no schedule") }, Broken, "no schedule"},
		{"has run out", func(v *View) { v.Schedules = []string{"@at 2027-01-31T18:00:00Z"} }, Over, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := View{StoredJob: scheduler.StoredJob{Job: testJob(nil)}}
			tt.change(&v)
			v.find(noon, tt.name == "mended since")
			if v.State != tt.want || v.Wrong != tt.wrong {
				t.Errorf("got %s (%s), want %s (%s)", v.State, v.Wrong, tt.want, tt.wrong)
			}
			fires := tt.want != Over && v.StoredJob.Broken == nil && !v.Paused
			if v.Next.At.IsZero() == fires {
				t.Errorf("got %v for the next firing", v.Next.At)
			}
			if !v.In("") || !v.In(tt.want) || v.In(Failing) != (v.ConsecutiveFailures.Count > 0) {
				t.Error("it is not in the state that it is in")
			}
		})
	}
}

func TestShow(t *testing.T) {
	r := newRig(t)
	stored := r.add(t, "sweep")
	if _, _, err := r.RunNow(t.Context(), "sweep", "ann"); err != nil {
		t.Fatal(err)
	}
	d, err := r.Show(t.Context(), "sweep")
	if err != nil || len(d.NextFirings) != ShownNext || len(d.Firings) != 1 || len(d.Changes) != 1 {
		t.Fatalf("got %+v, %v", d, err)
	}
	form, err := d.Form()
	if err != nil || form.Type != "job" || form.JobID != stored.ID || form.State != "ok" || form.Schedule == "" || len(form.Next) != ShownNext ||
		form.Last == nil || form.Last.RequestedBy != "ann" || form.Spec == nil || form.Running == nil {
		t.Errorf("got %+v, %v", form, err)
	}
	r.now = noon.Add(time.Minute)
	if err := r.Remove(t.Context(), "sweep", 0, "bob"); err != nil {
		t.Fatal(err)
	}
	_, err = r.Show(t.Context(), "sweep")
	if gone, ok := errors.AsType[*RemovedError](err); !ok || gone.Last.User != "bob" || gone.Error() != "job sweep was removed by bob at 2027-03-01T12:01:00Z" {
		t.Errorf("got %v, want a job that was removed", err)
	}
	// A new job of the same name has none of the first job's firings.
	r.add(t, "sweep")
	if d, err = r.Show(t.Context(), "sweep"); err != nil || len(d.Firings) != 0 || len(d.Changes) != 1 || d.Last != nil {
		t.Errorf("got %+v, %v", d, err)
	}
	if _, err = r.Show(t.Context(), "swoop"); !errors.As(err, new(*store.NoJobError)) {
		t.Errorf("got %v, want no such job", err)
	}
}

func TestWithoutAHistory(t *testing.T) {
	s := &Service{Checker: newRig(t).Checker}
	if all, err := s.List(t.Context()); err != nil || all != nil {
		t.Errorf("got %d jobs, %v", len(all), err)
	}
	p, err := s.Plan(t.Context(), "jobs.yaml", []scheduler.Job{testJob(nil)}, true)
	if err != nil || len(p.Added) != 1 || p.RemovesMost() {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestNext(t *testing.T) {
	r := newRig(t)
	r.add(t, "sweep")
	times, err := r.Next(t.Context(), "sweep", 5)
	if err != nil || len(times.Next) != 5 || times.Paused || !times.Next[0].At.Equal(noon.Add(time.Hour)) {
		t.Errorf("got %+v, %v", times, err)
	}
}

// The night of 2027-03-28 has no 02:30 in Berlin.
func TestDoubts(t *testing.T) {
	job := testJob(nil)
	job.Schedules, job.Zone = []string{"30 2 * * *", "*/7 5 * * *"}, "Europe/Berlin"
	timing, err := job.Timing(noon)
	if err != nil {
		t.Fatal(err)
	}
	doubts, err := DoubtsOf(timing, noon)
	if err != nil || len(doubts.Shifted) != 1 || len(doubts.Warnings) == 0 {
		t.Fatalf("got %+v, %v, want a time that is moved and steps that do not come out even", doubts, err)
	}
	if at := doubts.Shifted[0].At; !at.Equal(time.Date(2027, 3, 28, 1, 0, 0, 0, time.UTC)) {
		t.Errorf("got %s", at)
	}
}
