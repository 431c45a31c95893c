package sqlite

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"tutti/scheduler"
	"tutti/store"
)

// testJob fires every minute.
func testJob(name string) scheduler.Job {
	j := scheduler.NewJob(name, "Europe/Berlin")
	j.Schedules = []string{"* * * * *"}
	j.Selector, j.Command = "web", "uptime"
	return j
}

// noon is when the jobs of tests are added; a whole minute.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func addJob(tb testing.TB, s *Store, j scheduler.Job) scheduler.StoredJob {
	tb.Helper()
	stored, err := s.AddJob(tb.Context(), j, "ann", noon)
	if err != nil {
		tb.Fatal(err)
	}
	return stored
}

func TestJobsAreKept(t *testing.T) {
	path := tempPath(t)
	s := openTest(t, path)
	j := testJob("sweep")
	j.Options["timeout"] = []string{"30s"}
	j.Notify = scheduler.Notify{On: []scheduler.NotifyEvent{scheduler.OnFailure}, Command: "mail"}
	added := addJob(t, s, j)
	addJob(t, s, testJob("backup"))
	j.Version = 1
	want := scheduler.StoredJob{Job: j, ID: 1, Cursor: noon, UpdatedAt: noon, UpdatedBy: "ann"}
	if !reflect.DeepEqual(added, want) {
		t.Errorf("added: got %+v, want %+v", added, want)
	}
	jobs, err := openTest(t, path).ListJobs(t.Context())
	if err != nil || len(jobs) != 2 || jobs[0].Name != "backup" || !reflect.DeepEqual(jobs[1], want) {
		t.Errorf("got %+v, %v, want backup and %+v", jobs, err, want)
	}
	_, err = s.AddJob(t.Context(), j, "bob", noon)
	if e, ok := errors.AsType[*store.JobExistsError](err); !ok || e.Name != "sweep" {
		t.Errorf("twice: got %v, want a *JobExistsError", err)
	}
}

func TestUnknownJob(t *testing.T) {
	s := openTest(t, tempPath(t))
	addJob(t, s, testJob("backup"))
	unknown := testJob("bakcup")
	unknown.Version = 1
	_, errJob := s.Job(t.Context(), "bakcup")
	_, errChange := s.ChangeJob(t.Context(), unknown, "ann", noon)
	_, errChanges := s.JobChanges(t.Context(), "bakcup")
	for i, err := range []error{errJob, errChange, errChanges, s.RemoveJob(t.Context(), "bakcup", 0, "ann", noon)} {
		if e, ok := errors.AsType[*store.NoJobError](err); !ok || e.Nearest != "backup" || wayOut(e) != store.AdviceNearJob+" backup" {
			t.Errorf("%d: got %v, want a *NoJobError that offers backup", i, err)
		}
	}
}

// Who changes a job has read it as it is.
func TestLostUpdateIsRefused(t *testing.T) {
	s := openTest(t, tempPath(t))
	j := addJob(t, s, testJob("backup")).Job
	first, second := j, j
	first.Command, second.Command = "one", "two"
	stored, err := s.ChangeJob(t.Context(), first, "bob", noon.Add(time.Second))
	if err != nil || stored.Version != 2 || stored.Command != "one" || stored.UpdatedBy != "bob" {
		t.Fatalf("got %+v, %v, want version 2 by bob", stored, err)
	}
	_, err = s.ChangeJob(t.Context(), second, "eve", noon.Add(2*time.Second))
	for i, err := range []error{err, s.RemoveJob(t.Context(), "backup", 1, "eve", noon)} {
		e, ok := errors.AsType[*store.JobChangedError](err)
		if !ok || e.Version != 2 || e.By != "bob" || !e.At.Equal(noon.Add(time.Second)) {
			t.Errorf("%d: got %v, want a *JobChangedError by bob", i, err)
		}
	}
	if again, err := s.ChangeJob(t.Context(), stored.Job, "eve", noon); err != nil || again.Version != 2 {
		t.Errorf("no difference: got version %d, %v, want 2", again.Version, err)
	}
}

func TestJobChanges(t *testing.T) {
	s := openTest(t, tempPath(t))
	j := addJob(t, s, testJob("backup")).Job
	steps := []func(){
		func() { j.Command = "df" },
		func() { j.Paused = true },
		func() { j.Paused = false },
	}
	for i, step := range steps {
		step()
		stored, err := s.ChangeJob(t.Context(), j, "bob", noon.Add(time.Duration(i+1)*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		j = stored.Job
	}
	if err := s.RemoveJob(t.Context(), "backup", 4, "eve", noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	addJob(t, s, testJob("backup"))
	changes, err := s.JobChanges(t.Context(), "backup")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprintf("%d.%d %s %s %s", c.JobID, c.Version, c.What, c.User, c.Job.Command))
	}
	want := []string{
		"2.1 added ann uptime", "1.5 removed eve df", "1.4 resumed bob df", "1.3 paused bob df", "1.2 changed bob df", "1.1 added ann uptime",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if at := noon.Add(time.Hour); !changes[1].At.Equal(at) {
		t.Errorf("removed: got %s, want %s", changes[1].At, at)
	}
}

// A job that cannot be read does not keep the others from being read, and can be
// replaced.
func TestBrokenJob(t *testing.T) {
	s := openTest(t, tempPath(t))
	addJob(t, s, testJob("backup"))
	addJob(t, s, testJob("sweep"))
	if _, err := s.w.Exec(`UPDATE jobs SET spec = '{"overlap":"never"}' WHERE name = 'backup'`); err != nil {
		t.Fatal(err)
	}
	jobs, err := s.ListJobs(t.Context())
	if err != nil || len(jobs) != 2 {
		t.Fatalf("got %d jobs, %v, want 2", len(jobs), err)
	}
	if b := jobs[0]; b.Broken == nil || b.Name != "backup" || b.ID != 1 || b.Version != 1 {
		t.Errorf("got %+v, want a broken job with name, number and version", b)
	}
	if jobs[1].Broken != nil {
		t.Errorf("the other: got %v, want none", jobs[1].Broken)
	}
	whole := testJob("backup")
	whole.Version = 1
	if stored, err := s.ChangeJob(t.Context(), whole, "ann", noon); err != nil || stored.Broken != nil {
		t.Errorf("replaced: got %v, %v, want a job that is whole", stored.Broken, err)
	}
}

// What passed before a change of the scheduled times, or while the job was paused, is
// not run, and is on record.
func TestChangeCausesNoBurst(t *testing.T) {
	tests := []struct {
		name    string
		paused  bool
		change  func(j *scheduler.Job)
		reason  string
		missed  int
		forward bool
	}{
		{"another schedule", false, func(j *scheduler.Job) { j.Schedules = []string{"@hourly"} }, scheduler.ReasonChanged, 5, true},
		{"depends on the machine", false, func(j *scheduler.Job) { j.Zone = "UTC" }, scheduler.ReasonChanged, 5, true},
		{"jitter", false, func(j *scheduler.Job) { j.Jitter = time.Second }, scheduler.ReasonChanged, 5, true},
		{"resumed", true, func(j *scheduler.Job) { j.Paused = false }, scheduler.ReasonPaused, 5, true},
		{"paused and another schedule", true, func(j *scheduler.Job) { j.Schedules = []string{"@hourly"} }, scheduler.ReasonPaused, 5, true},
		{"another command", false, func(j *scheduler.Job) { j.Command = "df" }, "", 0, false},
		{"paused", false, func(j *scheduler.Job) { j.Paused = true }, "", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openTest(t, tempPath(t))
			j := testJob("backup")
			j.Paused = tt.paused
			j = addJob(t, s, j).Job
			tt.change(&j)
			now := noon.Add(5*time.Minute + time.Second)
			stored, err := s.ChangeJob(t.Context(), j, "bob", now)
			if err != nil {
				t.Fatal(err)
			}
			wantCursor := noon
			if tt.forward {
				wantCursor = now
			}
			if !stored.Cursor.Equal(wantCursor) {
				t.Errorf("cursor: got %s, want %s", stored.Cursor, wantCursor)
			}
			var missed int
			var reason, first, last string
			err = s.r.QueryRow(`SELECT coalesce(sum(count), 0), coalesce(max(reason), ''), coalesce(max(first_at), ''), coalesce(max(last_at), '')
				FROM firings WHERE decision = 'missed'`).Scan(&missed, &reason, &first, &last)
			if err != nil || missed != tt.missed || reason != tt.reason {
				t.Errorf("got %d missed because %q, %v, want %d because %q", missed, reason, err, tt.missed, tt.reason)
			}
			if tt.missed > 0 && (first != "2026-11-21T12:01:00.000Z" || last != "2026-11-21T12:05:00.000Z") {
				t.Errorf("got %s to %s, want 12:01 to 12:05", first, last)
			}
		})
	}
}
