package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// A person sees when the runs of a job failed, on which hosts, and what happened there.
func TestConsoleJobPictures(t *testing.T) {
	checks := axe(t)
	s := newSite(t, "web1", "web2", "web3")
	s.do("", "job", "add", "backup", "--schedule", "30 2 * * *", "all", "fails on web2")
	v := s.newVisitor()
	v.see(1300, "light")
	v.login(admin)
	v.visit("/jobs/backup")
	for n := range 3 {
		s.do("", "job", "run", "--detach", "backup")
		v.until(fmt.Sprintf(`document.querySelectorAll("#log tbody .num a").length === %d && document.querySelector("#log tbody .badge.failed") && !document.querySelector("#log tbody .badge:is(.running, .waiting)")`, n+1))
	}
	v.until(`document.querySelector("#plot canvas")?.width > 100 && getComputedStyle(document.querySelector("#log .chart")).display === "none"`)
	v.picture("job-chart")
	v.inEverySize(checks, "/jobs/backup with its chart")

	v.see(1300, "light")
	v.do("where it fails", chromedp.Click(`a[href="/jobs/backup/outcomes"]`))
	v.says("1 host of 3 did not end ok in some of the newest 3 runs")
	v.until(`document.querySelectorAll(".heat td.failed").length === 3 && document.querySelectorAll(".heat td.ok").length === 6 && document.querySelector(".heat tbody th").textContent === "web2"`)
	v.picture("job-outcomes")
	v.inEverySize(checks, "the heat map")
	v.see(1300, "light")
	v.do("the newest failure", chromedp.Click(`.heat tbody tr td:last-child a`))
	v.until(`location.pathname === "/runs/3/hosts/web2"`)
	v.visit("/runs/3/events")
	v.says("started on 3 hosts")
	v.says("exit 3")
	v.visit("/runs/3/hosts/web1")
	v.do("the next that is not ok", chromedp.KeyEvent("]"))
	v.until(`location.pathname === "/runs/3/hosts/web2"`)
	v.visit("/runs/3/hosts/web1?times=1")
	v.until(`/^\d\d:\d\d:\d\d\.\d{3}$/.test(document.querySelector("#log .at time")?.textContent)`)

	v.visit("/jobs/backup/yaml")
	v.do("change it", chromedp.SetValue("#text", "jobs:\n  backup:\n    schedule: 30 3 * * *\n    selector: all\n    command: fails on web2\n"), chromedp.Click(`button[value="check"]`))
	v.says("Saving changes:")
	v.do("save", chromedp.Click(`button[value="save"]`))
	v.until(`location.pathname === "/jobs/backup"`)
	v.says("at 03:30")
	v.sound("pictures of a job")
}

// Output that is longer than a page is one scroller: its ends, jumps and single steps show the
// lines that they should.
func TestConsoleLongOutput(t *testing.T) {
	checks := axe(t)
	s := newSite(t, "web1")
	s.do("", "run", "-q", "web1", "lines 60000")
	v := s.newVisitor()
	v.see(1300, "light")
	v.login(viewer)
	v.visit("/runs/1/hosts/web1")
	shows := func(line string) {
		t.Helper()
		v.until(fmt.Sprintf(`(() => {
			const box = document.getElementById("log").getBoundingClientRect();
			return [...document.querySelectorAll("#log li")].some((line) => {
				const at = line.getBoundingClientRect();
				return at.top >= box.top - 1 && at.bottom <= box.bottom + 1 && line.textContent === %s;
			});
		})()`, text(line)))
	}
	v.until(`document.getElementById("log-says").textContent.endsWith("of 60,000")`)
	shows("line 1 of web1")
	v.do("to the end", chromedp.Focus("#log"), chromedp.KeyEvent("\u0305"))
	shows("line 60000 of web1")
	v.picture("output-long")
	v.until(`document.querySelectorAll("#log li").length <= 1200`)
	v.do("to the start", chromedp.KeyEvent("\u0306"))
	shows("line 1 of web1")
	v.inEverySize(checks, "long output")
	v.see(1300, "light")
	v.visit("/runs/1/hosts/web1?q=line+41234")
	shows("line 41234 of web1")
	v.until(`document.querySelector("#log li.hit")?.id === "L41234"`)
	v.sound("long output")
}

// A run on many hosts has one list of them, of which only what is seen is made.
func TestConsoleManyHosts(t *testing.T) {
	checks := axe(t)
	var names []string
	for i := range 150 {
		names = append(names, fmt.Sprintf("web%03d", i+1))
	}
	s := newSite(t, names...)
	s.do("", "run", "-q", "all", "uptime")
	v := s.newVisitor()
	v.see(1300, "light")
	v.login(viewer)
	v.visit("/runs/1/hosts")
	v.until(`!document.getElementById("all").hidden && document.querySelector(".allhosts .says").textContent === "150 hosts" && document.getElementById("list").hidden`)
	v.until(`document.querySelectorAll(".allhosts .rows [role=row]").length < 100 && document.querySelector(".allhosts .rows .badge.ok") !== null`)
	v.do("to the end", chromedp.Focus(".allhosts .view"), chromedp.KeyEvent("\u0305"))
	v.until(`[...document.querySelectorAll(".allhosts .rows a")].some((a) => a.textContent === "web150")`)
	v.picture("hosts-many")
	v.inEverySize(checks, "the list of many hosts")
	v.see(1300, "light")
	v.visit("/runs/1/hosts?host=web14")
	v.until(`document.querySelector(".allhosts .says")?.textContent === "10 of 150 hosts"`)
	v.sound("many hosts")
}

// Who has colours of its own sees borders and signs, and nothing moves for who does not want
// that.
func TestConsoleForcedColours(t *testing.T) {
	checks := axe(t)
	s := newSite(t, "web1", "web2")
	s.do("", "run", "-q", "all", "uptime")
	v := s.newVisitor()
	v.login(viewer)
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "forced-colors", Value: "active"}, {Name: "prefers-reduced-motion", Value: "reduce"}, {Name: "prefers-color-scheme", Value: "dark"},
	}}
	if _, err := chromedp.Call(v.ctx, emulation.SetEmulatedMedia, media); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/runs", "/runs/1", "/runs/1/hosts"} {
		v.visit(path)
		v.do("checks", chromedp.Evaluate[chromedp.Void](checks+"; undefined"))
		v.checkPage(path + " in forced colours")
		v.until(`getComputedStyle(document.querySelector(".badge")).borderTopStyle === "solid" && document.querySelector(".badge .sign") !== null`)
	}
	v.visit("/runs/1")
	v.until(`getComputedStyle(document.querySelector(".bar rect")).transitionDuration === "0s"`)
	v.sound("forced colours")
}
