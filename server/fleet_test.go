package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/api"
	"tutti/scheduler"
	"tutti/store"
)

func names(items []api.FleetHost) string {
	var all []string
	for _, h := range items {
		all = append(all, h.Host.Host)
	}
	return strings.Join(all, " ")
}

func TestHosts(t *testing.T) {
	r := newRig(t)
	var page api.List[api.FleetHost]
	r.get(t, "/hosts?limit=2", &page)
	got := names(page.Items)
	next := page.Next
	page = api.List[api.FleetHost]{}
	r.get(t, "/hosts?limit=2&after="+next, &page)
	if got += " " + names(page.Items); got != "web1 web2 db1" || page.Next != "" {
		t.Errorf("got %s, next %q", got, page.Next)
	}
	page = api.List[api.FleetHost]{}
	if r.get(t, "/hosts?selector=web,!web1", &page); names(page.Items) != "web2" {
		t.Errorf("got %s", names(page.Items))
	}
	for path, name := range map[string]string{
		"/hosts?selector=app": "no-match", "/hosts?selector=!": "invalid", "/hosts?selector=@/etc/passwd": "local-only",
		"/hosts/app": "no-host", "/hosts?after=eA": "cursor",
	} {
		r.refused(t, r.ask(t, "GET", path, ""), name)
	}
	var named api.List[api.Named]
	if r.get(t, "/groups", &named); len(named.Items) != 1 || named.Items[0] != (api.Named{Name: "web", Hosts: 2}) {
		t.Errorf("got %+v", named)
	}
	named = api.List[api.Named]{}
	if r.get(t, "/labels", &named); len(named.Items) != 1 || named.Items[0] != (api.Named{Name: "dc=mad", Hosts: 1}) {
		t.Errorf("got %+v", named)
	}
}

// Only an admin sees what names files of the machine, and where settings come from.
func TestPathsAreForAdmins(t *testing.T) {
	r := newRig(t)
	var host api.FleetHostDetails
	if r.get(t, "/hosts/db1", &host); len(host.Identity) != 1 || host.Origins == nil {
		t.Errorf("an admin sees %+v", host)
	}
	r.who.Role = access.Editor
	host = api.FleetHostDetails{}
	if w := r.get(t, "/hosts/db1", &host); strings.Contains(w.Body.String(), "secret-key") || strings.Contains(w.Body.String(), "hosts.yaml") {
		t.Errorf("an editor sees %s", w.Body)
	}
}

// Hosts outside the scope are not there.
func TestScopeOfHosts(t *testing.T) {
	r := newRig(t)
	r.who.Scopes = []string{"web", "all,!web2"}
	var page api.List[api.FleetHost]
	if r.get(t, "/hosts", &page); names(page.Items) != "web1" {
		t.Errorf("got %s", names(page.Items))
	}
	r.refused(t, r.ask(t, "GET", "/hosts/web2", ""), "no-host")
	var named api.List[api.Named]
	if r.get(t, "/groups", &named); len(named.Items) != 1 || named.Items[0].Hosts != 1 {
		t.Errorf("got %+v", named)
	}
	var known []string
	for _, selector := range []string{"db1", "db", "web2", "no-such", "db11", "webb"} {
		w := r.ask(t, "GET", "/hosts?selector="+selector, "")
		if r.refused(t, w, "no-match"); strings.Contains(w.Body.String(), "hint") {
			known = append(known, w.Body.String())
		}
		r.refused(t, r.ask(t, "POST", "/validate", `{"selector":"`+selector+`"}`), "no-match")
	}
	for _, selector := range []string{"no-such", "db11", "webb", "app[1-2]"} {
		for _, path := range []string{"/plan", "/runs"} {
			w := r.ask(t, "POST", path, `{"selector":"`+selector+`","command":"true"}`)
			r.refused(t, w, "no-match")
			if text := w.Body.String(); strings.Contains(text, "hint") || strings.Contains(text, "detail") {
				known = append(known, text)
			}
		}
	}
	if known != nil {
		t.Errorf("names out of sight are hinted at: %q", known)
	}
	r.who.Scopes = []string{"app"} // which nothing is any more
	page = api.List[api.FleetHost]{}
	if r.get(t, "/hosts", &page); len(page.Items) != 0 {
		t.Errorf("got %s", names(page.Items))
	}
}

// Without a scope a mistake in a selector is explained, without what was asked for.
func TestMistakenSelector(t *testing.T) {
	r := newRig(t)
	for selector, want := range map[string]string{
		"webb":                 `"detail":"an item is neither a host nor a group","hint":"did you mean web`,
		"web[7-9]":             `"detail":"an item expands to names that are neither hosts nor groups"`,
		"zqsecretzq=1":         `"detail":"an item matches nothing: no host has such a label"`,
		"web,db1,zqsecretzq":   `"detail":"item 3 of 3 is neither a host nor a group"`,
		"web,!zqsecretzq,&web": `"detail":"item 2 of 3 is neither a host nor a group"`,
		"web,&zqsecretzq=1":    `"detail":"item 2 of 2 matches nothing: no host has such a label"`,
		"web1,!web2,!web":      `"detail":"the selector selects no host: none is left after item 3 of 3"`,
	} {
		w := r.ask(t, "POST", "/plan", `{"command":"true","selector":"`+selector+`"}`)
		r.refused(t, w, "no-match")
		if text := w.Body.String(); !strings.Contains(text, want) {
			t.Errorf("%s: got %s, want %s", selector, text, want)
		} else if strings.Contains(text, "zqsecret") {
			t.Errorf("%s: it is told again: %s", selector, text)
		}
	}
	for keys, want := range map[string]string{
		`"exclude":["zqsecretzq"]`:                             `"detail":"item 1 of exclude is neither a host nor a group"`,
		`"exclude":["db1"],"only":["web","web2","zqsecretzq"]`: `"detail":"item 3 of only is neither a host nor a group"`,
	} {
		w := r.ask(t, "POST", "/plan", `{"command":"true","selector":"all",`+keys+`}`)
		if text := w.Body.String(); !strings.Contains(text, want) || strings.Contains(text, "zqsecret") {
			t.Errorf("%s: got %s, want %s", keys, text, want)
		}
	}
}

func TestValidate(t *testing.T) {
	r := newRig(t)
	tests := []struct{ body, problem, want string }{
		{`{"schedule":["0 6 * * *"],"zone":"Europe/Berlin"}`, "", `"schedule":"at 06:00, every day, Europe/Berlin"`},
		{`{"selector":"web"}`, "", `"hosts":2,"names":["web1","web2"]`},
		{`{"schedule":["0 6 * *"]}`, "invalid", `"pointer":"/schedule/0"`},
		{`{"schedule":["@daily","61 * * * *"]}`, "invalid", `"pointer":"/schedule/1"`},
		{`{"schedule":["@daily"],"zone":"Mars/zqsecretzq"}`, "invalid", `"pointer":"/zone"`},
		{`{"selector":"web,zqsecretzq"}`, "no-match", ``},
		{`{"selector":"web,,!"}`, "invalid", `"pointer":"/selector"`},
		{`{}`, "invalid", ``},
	}
	for _, tt := range tests {
		w := r.ask(t, "POST", "/validate", tt.body)
		if tt.problem != "" {
			r.refused(t, w, tt.problem)
		}
		if !strings.Contains(w.Body.String(), tt.want) || strings.Contains(w.Body.String(), "zqsecretzq") {
			t.Errorf("%s: got %d %s", tt.body, w.Code, w.Body)
		}
	}
}

func TestDaemons(t *testing.T) {
	r := newRig(t)
	d, err := r.store.JoinDaemons(t.Context(), noon)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }() // nothing was claimed
	var page api.List[api.Daemon]
	if r.get(t, "/daemons", &page); len(page.Items) != 1 || !page.Items[0].Serves || page.Items[0].PID == 0 {
		t.Errorf("got %+v", page)
	}
}

// The daemons are listed with what they say, the paths of their machines for admins only,
// and drained by admins.
func TestControllers(t *testing.T) {
	r := newRig(t)
	d, err := r.store.JoinDaemons(t.Context(), noon)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }() // nothing was claimed
	said := scheduler.Said{Runs: 2, Hosts: 30, MaxRuns: 8, Files: []scheduler.LocalFile{{Name: "/srv/backup.sh", Digest: "d"}, {Name: "inventory", Digest: "e"}}}
	if _, err := d.Say(t.Context(), said); err != nil {
		t.Fatal(err)
	}
	var page api.List[api.Controller]
	r.get(t, "/controllers", &page)
	if len(page.Items) != 1 || page.Items[0].Runs != 2 || page.Items[0].Hosts != 30 || page.Items[0].MaxRuns != 8 || len(page.Items[0].Files) != 2 || page.Items[0].Draining {
		t.Errorf("got %+v", page)
	}
	path := fmt.Sprintf("/controllers/%d/drain", d.ID())
	for _, tt := range []struct {
		method string
		want   bool
	}{{"PUT", true}, {"PUT", true}, {"DELETE", false}} {
		if w := r.ask(t, tt.method, path, ""); w.Code != 204 {
			t.Errorf("%s: got %d %s", tt.method, w.Code, w.Body)
		}
		if draining, err := d.Say(t.Context(), said); draining != tt.want || err != nil {
			t.Errorf("%s: got draining: %t, %v", tt.method, draining, err)
		}
	}
	r.refused(t, r.ask(t, "PUT", "/controllers/99/drain", ""), "no-controller")
	entries, err := r.store.Access().Audit(t.Context(), access.AuditQuery{Action: "controller"})
	if err != nil || len(entries) != 2 || entries[1].Action != "controller.drain" || entries[1].Object != fmt.Sprintf("daemon:%d", d.ID()) {
		t.Errorf("got %+v, %v, want the drain and its end", entries, err)
	}
	r.who = access.Principal{Name: "eve", Role: access.Viewer, Via: access.ViaSession}
	if r.get(t, "/controllers", &page); len(page.Items[0].Files) != 1 || page.Items[0].Files[0].Name != "inventory" {
		t.Errorf("got %+v, want no path for a viewer", page.Items[0].Files)
	}
	r.refused(t, r.ask(t, "PUT", path, ""), "role")
}

// What runs have found out about a host goes with it.
func TestHealth(t *testing.T) {
	r := newRig(t)
	r.record(t, store.RunInfo{}, up)
	r.now = noon.Add(time.Hour)
	var host api.FleetHostDetails
	r.get(t, "/hosts/db1", &host)
	if host.Health.State != "reachable" || host.Health.LastRun != 1 || len(host.Runs) != 1 || host.Runs[0].Outcome != "failed" {
		t.Errorf("got %+v", host)
	}
	var page api.List[api.FleetHost]
	r.get(t, "/hosts?health=reachable&limit=1", &page)
	next := page.Next
	if page = (api.List[api.FleetHost]{}); next == "" {
		t.Error("there is one page only")
	}
	if r.get(t, "/hosts?health=reachable&limit=2&after="+next, &page); names(page.Items) != "web2 db1" {
		t.Errorf("got %s", names(page.Items))
	}
	page = api.List[api.FleetHost]{}
	if r.get(t, "/hosts?health=unreachable,unknown", &page); len(page.Items) != 0 {
		t.Errorf("got %s", names(page.Items))
	}
	r.now = noon.Add(48 * time.Hour)
	host = api.FleetHostDetails{}
	if r.get(t, "/hosts/db1", &host); host.Health.State != "unknown" {
		t.Errorf("got %+v", host.Health)
	}
}

// A host is taken out of runs until a time, for a reason, and back.
func TestMaintenance(t *testing.T) {
	r := newRig(t)
	w := r.ask(t, "PUT", "/hosts/web1/maintenance", `{"until":"2h","note":"new disk"}`)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"until":"2027-03-01T14:00:00`) {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	rest := func() *api.Maintenance {
		t.Helper()
		var host api.FleetHostDetails
		r.get(t, "/hosts/web1", &host)
		return host.Maintenance
	}
	if m := rest(); m == nil || m.Note != "new disk" || m.By != "ann" {
		t.Errorf("got %+v", m)
	}
	if r.now = noon.Add(2 * time.Hour); rest() != nil {
		t.Error("it goes on")
	}
	r.now = noon
	if w := r.ask(t, "PUT", "/hosts/web1/maintenance", `{}`); w.Code != 200 || rest() == nil || rest().Until != nil {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := r.ask(t, "DELETE", "/hosts/web1/maintenance", ""); w.Code != 204 || rest() != nil {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	for _, until := range []string{"yesterday", "0s", "2020-01-01T00:00:00Z"} {
		r.refused(t, r.ask(t, "PUT", "/hosts/web1/maintenance", `{"until":"`+until+`"}`), "invalid")
	}
	r.refused(t, r.ask(t, "PUT", "/hosts/web1/maintenance", `{"note":"new\u001b[2J disk"}`), "invalid")
	r.refused(t, r.ask(t, "PUT", "/hosts/none/maintenance", `{}`), "no-host")
	r.who.Scopes = []string{"db1"}
	r.refused(t, r.ask(t, "PUT", "/hosts/web1/maintenance", `{}`), "no-host")
	r.refused(t, r.ask(t, "DELETE", "/hosts/web1/maintenance", ""), "no-host")
	r.who.Scopes = nil
	var audit api.List[api.AuditEntry]
	if r.get(t, "/audit?object=host:web1", &audit); len(audit.Items) != 3 || audit.Items[0].Action != "maintenance.stop" {
		t.Errorf("got %+v", audit.Items)
	}
}
