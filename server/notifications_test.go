package server_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/scheduler"
)

var errRefused = errors.New("refused")

// message has a job of all hosts fail, and is the number of the notification of that.
func (r *rig) message(t *testing.T) string {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r.add(t, "alarmed", func(j *scheduler.Job) {
		j.Selector = "all"
		j.Notify = scheduler.Notify{On: []scheduler.NotifyEvent{scheduler.OnAlways}, Webhook: "https://hooks.example/s3cret"}
	})
	ticket, err := r.store.RequestFiring(t.Context(), "alarmed", "ann", noon)
	must(err)
	r.recordFiring(t, "alarmed", ticket)
	member := r.daemon(t)
	desk := scheduler.NewDesk(member)
	_, err = desk.Sync(t.Context(), member)
	must(err)
	_, err = desk.Settle(t.Context(), noon)
	must(err)
	all, err := r.store.Messages().Pending(t.Context(), 0, 10, noon)
	if err != nil || len(all) != 1 {
		t.Fatalf("got %+v, %v, want one message", all, err)
	}
	return strconv.FormatInt(all[0].ID, 10)
}

// Callbacks of runs that have ended come after the messages, for who may see their runs.
func TestCallbacksAreNotifications(t *testing.T) {
	r := newRig(t)
	id := r.message(t)
	submit := func(selector, key string) string {
		t.Helper()
		number := started(t, r.ask(t, "POST", "/runs", `{"selector":"`+selector+`","command":"true",`+key+`}`)).Run.Run
		if err := r.store.StopRun(t.Context(), scheduler.Stop{Run: number, By: "ann", At: r.now}); err != nil {
			t.Fatal(err)
		}
		return strconv.FormatInt(number, 10)
	}
	web := submit("web", `"callback":"https://hooks.example/s3cret"`)
	submit("web", `"note":"without one"`)
	db := submit("db1", `"notify":{"on":["always"],"webhook":"https://hooks.example/s3cret"}`)
	started(t, r.ask(t, "POST", "/runs", `{"selector":"web","command":"true","callback":"https://hooks.example/waits"}`))
	list := func(query string) (lines, next string) {
		t.Helper()
		var all api.List[api.PendingNotification]
		if w := r.get(t, "/notifications"+query, &all); strings.Contains(w.Body.String(), "s3cret") || strings.Contains(w.Body.String(), "waits") {
			t.Errorf("the path of the URL is told: %s", w.Body)
		}
		for _, n := range all.Items {
			lines += strings.Join([]string{strconv.FormatInt(n.Notification, 10), n.Job, strconv.FormatInt(n.Run, 10), n.Kind, n.Occasion, n.Target, n.Error}, " ") + ";"
		}
		return lines, all.Next
	}
	message := id + " alarmed 0 webhook failure https://hooks.example/… ;"
	ofWeb, ofDB := "0  "+web+" callback end https://hooks.example/… ;", "0  "+db+" callback always https://hooks.example/… ;"
	for _, tt := range []struct {
		who  access.Principal
		want string
	}{
		{access.Principal{Name: "vera", Role: access.Viewer}, message + ofWeb + ofDB},
		{access.Principal{Name: "olga", Role: access.Viewer, Scopes: []string{"web"}}, message + ofWeb},
		{access.Principal{Name: "olga", Role: access.Viewer, Scopes: []string{"db1"}}, message + ofDB},
		{access.Principal{Name: "token:x", Role: access.Operator, Jobs: []string{"alarmed"}}, message},
		{access.Principal{Name: "nobody", Role: access.Viewer, Scopes: []string{"dc=xyz"}}, ""},
	} {
		r.who = tt.who
		if got, next := list(""); got != tt.want || next != "" {
			t.Errorf("%+v: got %q, want %q", tt.who, got, tt.want)
		}
		var paged string
		for query := "?limit=1"; query != ""; {
			part, next := list(query)
			if paged += part; next == "" {
				break
			}
			query = "?limit=1&after=" + next
		}
		if paged != tt.want {
			t.Errorf("%+v, one by one: got %q, want %q", tt.who, paged, tt.want)
		}
	}
	r.who = access.Principal{Name: "ann", Role: access.Admin}
	due, err := r.store.Callbacks().Lease(t.Context(), r.now.Add(time.Hour), r.now.Add(2*time.Hour), 10)
	if err != nil || len(due) != 2 {
		t.Fatalf("got %+v, %v", due, err)
	}
	for i, failure := range []error{nil, errRefused} {
		if err := r.store.Callbacks().Delivered(t.Context(), due[i], r.now, failure, r.now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := list(""); got != message+strings.Replace(ofDB, " ;", " refused;", 1) {
		t.Errorf("after attempts: got %q", got)
	}
}

// What is not delivered is listed with its attempts, for who may see the job, without what
// may be secret of the URL; an operator with all of its hosts in the scope has it tried now.
func TestNotifications(t *testing.T) {
	r := newRig(t)
	id := r.message(t)
	leased, err := r.owner.Lease(t.Context(), noon, noon.Add(time.Minute), 9)
	if err != nil || len(leased) != 1 {
		t.Fatalf("got %+v, %v", leased, err)
	}
	list := func() (one api.PendingNotification) {
		t.Helper()
		var all api.List[api.PendingNotification]
		w := r.get(t, "/notifications", &all)
		if strings.Contains(w.Body.String(), "s3cret") {
			t.Errorf("the path of the URL is told: %s", w.Body)
		}
		if len(all.Items) == 1 {
			one = all.Items[0]
		}
		return one
	}
	if one := list(); !one.Delivering || one.Attempts != 1 || one.Error != "" || one.Job != "alarmed" || one.Occasion != "failure" && one.Occasion != "always" || one.Target != "https://hooks.example/…" {
		t.Errorf("under way: got %+v", one)
	}
	if w := r.ask(t, "POST", "/notifications/"+id+"/retry", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"delivering":true`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if err := r.owner.Delivered(t.Context(), leased[0], noon, errRefused, noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if one := list(); one.Delivering || one.Attempts != 1 || one.Error != "refused" || !time.Time(one.DueAt).Equal(noon.Add(time.Hour)) {
		t.Errorf("waiting: got %+v", one)
	}
	for _, q := range []struct {
		who  access.Principal
		sees bool
		want string // the problem of a retry; empty: it is done
	}{
		{access.Principal{Name: "vera", Role: access.Viewer}, true, "role"},
		{access.Principal{Name: "olga", Role: access.Operator, Scopes: []string{"web"}}, true, "scope"},
		{access.Principal{Name: "token:x", Role: access.Operator, Jobs: []string{"other"}}, false, "role"},
		{access.Principal{Name: "nobody", Role: access.Operator, Scopes: []string{"dc=xyz"}}, false, "no-notification"},
		{access.Principal{Name: "olga", Role: access.Operator}, true, ""},
	} {
		r.who = q.who
		if got := list().Attempts == 1; got != q.sees {
			t.Errorf("%+v: sees it: %t", q.who, got)
		}
		w := r.ask(t, "POST", "/notifications/"+id+"/retry", "")
		if q.want != "" {
			r.refused(t, w, q.want)
		} else if w.Code != 200 {
			t.Errorf("%+v: got %d %s", q.who, w.Code, w.Body)
		}
	}
	leased, err = r.owner.Lease(t.Context(), noon, noon.Add(time.Minute), 9)
	if err != nil || len(leased) != 1 || leased[0].Attempt != 2 {
		t.Fatalf("got %+v, %v, want it due", leased, err)
	}
	if err := r.owner.Delivered(t.Context(), leased[0], noon, nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
	r.refused(t, r.ask(t, "POST", "/notifications/"+id+"/retry", ""), "no-notification")
	r.who = access.Principal{Name: "ann", Role: access.Admin}
	if one := list(); one.Attempts != 0 {
		t.Errorf("got %+v, which was delivered", one)
	}
	var audit api.List[api.AuditEntry]
	if r.get(t, "/audit?action=notification", &audit); len(audit.Items) != 1 || audit.Items[0].Actor != "olga" || audit.Items[0].Object != "notification:"+id {
		t.Errorf("got %+v", audit.Items)
	}
}
