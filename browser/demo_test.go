package browser

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// screens is where pictures of the pages are written; empty: nowhere.
var screens = flag.String("screens", "", "write pictures of the console to `DIR`")

// picture writes a picture of the page, if that is wanted.
func (v *visitor) picture(name string) {
	v.Helper()
	if *screens == "" {
		return
	}
	data, err := chromedp.Run(v.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		v.Fatal(err)
	}
	if err := os.MkdirAll(*screens, 0o755); err != nil {
		v.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*screens, name+".png"), data, 0o644); err != nil {
		v.Fatal(err)
	}
}

// A person who has never seen the console finds out, in the demo, why the backup failed and
// on which hosts, and what changed since the run before.
func TestDemo(t *testing.T) {
	s := newSite(t, "web1")
	demo := s.start("demo", "--console")
	address := strings.TrimSpace(demo.log.await(t, "http://127.0.0.1:"))
	at, link, _ := strings.Cut(strings.TrimPrefix(address, "http://"), "/")
	s.lead(at)
	v := s.newVisitor()
	v.see(1300, "light")
	v.visit("/" + link)
	v.picture("login")
	v.do("choose a password", chromedp.SendKeys("#password", password+"\r"))
	v.until(`location.pathname === "/runs"`)
	v.picture("runs")

	v.do("jobs", chromedp.Click(`nav a[href="/jobs"]`))
	v.until(`location.pathname === "/jobs"`)
	v.do("run the backup", chromedp.Click(`form[action="/jobs/backup/run"] button`))
	v.until(`location.pathname === "/jobs/backup"`)
	v.until(`document.querySelector("#log tbody .badge.failed") !== null`)
	v.picture("job")
	v.do("its run", chromedp.Click(`#log tbody a[href^="/runs/"]`))
	v.says("Hosts that answered the same")
	v.says("connection refused")
	v.says("db4.demo")
	v.picture("run")

	v.visit("/runs/3/diff?with=1")
	v.says("-4.2.0")
	v.says("+4.3.0")
	v.says("web05.demo")
	v.picture("diff")
	for _, page := range []string{"/jobs", "/calendar", "/hosts", "/queue", "/runs/4/hosts/db1.demo", "/runs/new", "/access", "/audit", "/help"} {
		v.visit(page)
		v.picture(strings.ReplaceAll(page[1:], "/", "-"))
	}
	v.see(1300, "dark")
	v.visit("/runs/1")
	v.picture("run-dark")
	v.visit("/jobs/backup")
	v.picture("job-dark")
	v.see(390, "light")
	v.visit("/runs/1")
	v.picture("run-phone")
	v.sound("the demo")
}
