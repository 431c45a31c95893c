package daemon_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"tutti/access"
)

// addresses are those in a page that a browser goes to.
var addresses = regexp.MustCompile(`\s(?:href|src|action)="([^"]*)"`)

// All that a page names for a browser is below the path of the base URL, and so are its
// cookies; a proxy may take the path away before it asks.
func TestConsoleBelowAPath(t *testing.T) {
	b, r := newBrowserBelow(t, "/ops/tutti")
	link := r.link(t, "ann", access.Admin)
	if _, at, text := b.do("GET", "/ops/tutti", nil); at != "/ops/tutti/runs" || !strings.Contains(text, "Log in") {
		t.Fatalf("the first visit: at %s: %s", at, text)
	}
	if _, at, text := b.do("POST", "/ops/tutti"+link, url.Values{"password": {"correct horse battery"}}); at != "/ops/tutti/runs" || !strings.Contains(text, "No run yet") {
		t.Fatalf("the link: at %s: %s", at, text)
	}
	form := url.Values{"selector": {"web"}, "command": {"fail"}, "key": {"k1"}, "do": {"run"}}
	if _, at, _ := b.do("POST", "/ops/tutti/runs/new", form); at != "/ops/tutti/runs/1" {
		t.Fatalf("the run is at %s", at)
	}
	await(t, "the run ends", func() bool { return r.run(t, "1").State.Ended() })
	job := url.Values{"job": {"backup"}, "schedule": {"30 2 * * *"}, "selector": {"web"}, "command": {"backup"}, "others": {"{}"}}
	if status, at, text := b.do("POST", "/ops/tutti/jobs/new", job); at != "/ops/tutti/jobs/backup" {
		t.Fatalf("the job: %d at %s: %s", status, at, text)
	}
	for _, path := range []string{
		"/runs", "/runs/1", "/runs/1/hosts", "/runs/1/hosts/web", "/runs/1/hosts/web?q=o", "/runs/1/plan", "/runs/1/rerun", "/runs/1/diff", "/runs/7", "/runs/new", "/jobs",
		"/jobs/backup", "/jobs/backup/edit", "/jobs/backup/pause", "/jobs/backup/remove", "/calendar", "/hosts", "/hosts/web", "/queue", "/notifications", "/audit", "/access", "/account", "/help",
	} {
		_, _, text := b.do("GET", "/ops/tutti"+path, nil)
		found := addresses.FindAllStringSubmatch(text, -1)
		if len(found) < 5 {
			t.Errorf("%s has %d addresses: %s", path, len(found), text)
		}
		for _, one := range found {
			if to := one[1]; !strings.HasPrefix(to, "/ops/tutti/") && !strings.HasPrefix(to, "?") && !strings.HasPrefix(to, "#") {
				t.Errorf("%s leads to %q", path, to)
			}
		}
	}
	if status, _, text := b.do("GET", "/runs/1", nil); status != http.StatusUnauthorized || !strings.Contains(text, `action="/ops/tutti/login"`) {
		t.Errorf("the cookie of a path was sent to another one: %d %s", status, text)
	}
	if _, at, _ := b.do("POST", "/ops/tutti/theme", url.Values{"theme": {"dark"}, "here": {"/runs/1"}}); at != "/ops/tutti/runs/1" {
		t.Errorf("the theme led to %s", at)
	}
	if _, at, _ := b.do("POST", "/ops/tutti/logout", url.Values{}); at != "/ops/tutti/login" {
		t.Errorf("logging out led to %s", at)
	}
	if status, _, _ := b.do("GET", "/ops/tutti/runs", nil); status != http.StatusUnauthorized {
		t.Errorf("after logging out the runs are %d", status)
	}
}
