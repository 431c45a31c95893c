package api

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/output"
	"tutti/scheduler"
	"tutti/store"
)

// line is a form as it is printed.
func line(tb testing.TB, v any) string {
	tb.Helper()
	var b bytes.Buffer
	if err := output.WriteJSON(&b, v); err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

var noon = time.Date(2027, 3, 1, 13, 0, 0, 5e6, time.FixedZone("CET", 3600))

func finishedRun() store.Run {
	code := 3
	r := store.Run{ID: 12, Source: "job", Command: "df -h / | tail -1", Selector: "web", User: "ann", State: store.Finished, Job: "watch", ExitCode: &code}
	r.Summary = fanout.Summary{Started: noon, Ended: noon.Add(1500 * time.Millisecond), Hosts: 2}
	r.Summary.Counts[fanout.OK], r.Summary.Counts[fanout.Failed] = 1, 1
	return r
}

const counts = `{"canceled":0,"failed":1,"lost":0,"ok":1,"skipped":0,"timeout":0,"unreachable":0}`

// The names, their order and the forms of values are what scripts rely on.
func TestRunAsItIsPrinted(t *testing.T) {
	want := `{"schema":1,"type":"run","run":12,"source":"job","command":"df -h / | tail -1","selector":"web","user":"ann","state":"finished",` +
		`"started_at":"2027-03-01T12:00:00.005Z","ended_at":"2027-03-01T12:00:01.505Z","duration_ms":1500,"hosts":2,"counts":` + counts +
		`,"stopped":"none","exit_code":3,"job":"watch"}`
	if got := line(t, NewRun(finishedRun())); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	running := store.Run{ID: 13, Source: "cli", State: store.Running}
	running.Summary.Started = noon
	want = `{"schema":1,"type":"run","run":13,"source":"cli","command":"","selector":"","state":"running","started_at":"2027-03-01T12:00:00.005Z",` +
		`"hosts":0,"counts":` + strings.ReplaceAll(counts, "1", "0") + `,"stopped":"none"}`
	if got := line(t, NewRun(running)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	cutOff := finishedRun()
	cutOff.State = store.Interrupted
	if got := line(t, NewRun(cutOff)); strings.Contains(got, "duration_ms") || !strings.Contains(got, "ended_at") {
		t.Errorf("it has no duration: %s", got)
	}
}

func TestFiringAsItIsPrinted(t *testing.T) {
	run := finishedRun()
	f := store.FiringRow{
		ID: 7, Job: "watch", JobID: 2, Decision: scheduler.Run, ScheduledAt: noon.Add(-time.Second), DueAt: noon.Add(-time.Second), DecidedAt: noon,
		RunID: 12, Run: &run,
		Notifications: []store.NotificationRow{{At: noon, Event: "failure", Kind: "webhook", Target: "x.example", Attempt: 1, Error: "late"}},
	}
	want := `{"schema":1,"type":"firing","firing":7,"job":"watch","job_id":2,"decision":"run","scheduled_at":"2027-03-01T11:59:59.005Z",` +
		`"due_at":"2027-03-01T11:59:59.005Z","decided_at":"2027-03-01T12:00:00.005Z","run":12,"state":"finished","started_at":"2027-03-01T12:00:00.005Z",` +
		`"ended_at":"2027-03-01T12:00:01.505Z","lag_ms":1000,"duration_ms":1500,"hosts":2,"counts":` + counts + `,"stopped":"none","exit_code":3,` +
		`"notifications":[{"at":"2027-03-01T12:00:00.005Z","occasion":"failure","kind":"webhook","target":"x.example","attempt":1,"error":"late"}]}`
	if got := line(t, NewFiring(&f)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	missed := store.FiringRow{
		ID: 8, Job: "watch", JobID: 2, Decision: scheduler.Missed, Reason: "too late",
		Missed: scheduler.Gap{Count: 3, First: noon, Last: noon.Add(time.Hour), More: true},
	}
	want = `{"schema":1,"type":"firing","firing":8,"job":"watch","job_id":2,"decision":"missed","reason":"too late","missed":3,"missed_more":true,` +
		`"first_at":"2027-03-01T12:00:00.005Z","last_at":"2027-03-01T13:00:00.005Z"}`
	if got := line(t, NewFiring(&missed)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLag(t *testing.T) {
	run := finishedRun()
	for _, tt := range []struct {
		name string
		f    store.FiringRow
		want time.Duration
		ok   bool
	}{
		{"no run", store.FiringRow{DueAt: noon}, 0, false},
		{"not due", store.FiringRow{Run: &run}, 0, false},
		{"late", store.FiringRow{Run: &run, DueAt: noon.Add(-time.Minute)}, time.Minute, true},
		{"the clock was set back", store.FiringRow{Run: &run, DueAt: noon.Add(time.Minute)}, 0, true},
	} {
		if got, ok := Lag(&tt.f); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %s, %v", tt.name, got, ok)
		}
	}
}
