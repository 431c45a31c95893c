package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// hostile is output that would like to be more than text.
const hostile = "<img src=x onerror=alert(1)><script>alert(2)</script> \u202egnp.exe \x1b[31mred\x1b[0m \x1b]8;;http://x\x07link"

// Every page can be used by everybody: in light and dark, on a telephone and on a desk. No
// page does what its policy forbids, and none is wider than its window.
func TestConsolePages(t *testing.T) {
	checks := axe(t)
	s := newSite(t, "web1", "web2", "web3")
	s.do("", "run", "-q", "web1,web2", hostile)
	s.do("", "run", "-q", "all", "uptime")
	s.do("", "job", "add", "backup", "--schedule", "30 2 * * *", "--zone", "Europe/Madrid", "web1", "backup")
	s.do("", "job", "add", "sync", "--schedule", "*/5 * * * *", "all", "sync")
	s.do("", "job", "pause", "sync")
	s.do("", "token", "add", "ci", "--role", "operator")
	v := s.newVisitor()
	v.visit("/login")
	v.inEverySize(checks, "/login")
	v.login(admin)
	for _, path := range []string{
		"/runs", "/runs?q=nothing", "/runs/1", "/runs/1/hosts", "/runs/1/plan", "/runs/1/events", "/runs/1/hosts/web1?times=1", "/runs/1/hosts/web1", "/runs/1/hosts/web1?q=red", "/runs/1/rerun", "/runs/1/kill",
		"/runs/2/diff", "/runs/2/diff?with=1", "/runs/new", "/jobs", "/jobs/backup", "/jobs/backup/edit", "/jobs/backup/yaml", "/jobs/backup/outcomes", "/jobs/backup/remove", "/jobs/new", "/calendar", "/hosts", "/hosts/web1",
		"/jobs/backup/pause", "/queue", "/notifications", "/audit", "/access", "/account", "/help",
	} {
		v.visit(path)
		v.inEverySize(checks, path)
	}
	v.visit("/runs/1/hosts/web1")
	v.says("<img src=x onerror=alert(1)><script>alert(2)</script>")
	v.says(`\u202egnp.exe`)
	v.until(`document.querySelector("#log .f1").textContent === "red"`)
	v.sound("hostile output")
}

// inEverySize checks the page that is shown.
func (v *visitor) inEverySize(checks, path string) {
	v.Helper()
	v.do("checks", chromedp.Evaluate[chromedp.Void](checks+"; undefined"))
	for _, width := range []int64{390, 1300} {
		for _, scheme := range []string{"light", "dark"} {
			v.see(width, scheme)
			v.checkPage(path + " " + scheme)
		}
	}
	v.sound(path)
}

// A person starts a run by typing, sees it live, and stops it; what is shown is never older
// than it looks.
func TestConsoleLive(t *testing.T) {
	s := newSite(t, "web1", "web2")
	v := s.newVisitor()
	v.login(operator)
	v.visit("/runs/new")
	v.do("type", chromedp.SendKeys("#selector", "all"))
	v.says("2 hosts: web1, web2")
	v.do("type", chromedp.SendKeys("#command", "hold"), chromedp.DoubleClick(`button[value="run"]`))
	v.until(`location.pathname === "/runs/1"`)
	count := func(state, n string) string {
		return `document.querySelector('#counts [data-state="` + state + `"] .n')?.textContent === "` + n + `"`
	}
	s.hosts.await(t, "web1", "web2")
	v.until(count("running", "2"))
	s.hosts.letGo("web1")
	v.until(count("ok", "1"))
	v.says("web1 holds")

	s.lead("") // nothing answers
	v.says("Not live since")
	s.lead(s.daemonAddress)
	v.until(`document.getElementById("stale").hidden`)

	v.do("the key to stop", chromedp.KeyEvent("x"))
	v.until(`location.pathname === "/runs/1/kill"`)
	v.do("stop", chromedp.Click("button.danger"))
	v.says("What became of its hosts")
	v.says("ended: nothing of the command is left")
	v.visit("/runs/1")
	v.until(count("canceled", "1"))
	v.visit("/runs")
	v.until(`document.querySelectorAll("#list tbody tr").length === 1`) // a double click is one run
	v.do("keys", chromedp.KeyEvent("g"), chromedp.KeyEvent("j"))
	v.until(`location.pathname === "/jobs"`)
}

// Cells of the grid are announced by keys, and lead to what the host wrote.
func TestConsoleGrid(t *testing.T) {
	s := newSite(t, "web1", "web2", "web3")
	s.do("", "run", "-q", "all", "uptime")
	v := s.newVisitor()
	v.see(1300, "light")
	v.login(viewer)
	v.visit("/runs/1")
	v.until(`document.querySelector("#grid").open && document.querySelector("#cells").style.height !== ""`)
	v.do("focus", chromedp.Focus("#cells"), chromedp.KeyEvent("\u0303"), chromedp.KeyEvent("\u0303"))
	v.do("open", chromedp.KeyEvent("\r"))
	v.until(`location.pathname.startsWith("/runs/1/hosts/web")`)
	v.sound("the grid")
}

// Without JavaScript everything can be read, and forms work.
func TestConsoleWithoutScript(t *testing.T) {
	s := newSite(t, "web1")
	v := s.newVisitor()
	if _, err := chromedp.Call(v.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	v.visit("/login")
	v.do("log in", chromedp.SendKeys("#name", operator), chromedp.SendKeys("#password", password+"\r"), chromedp.WaitVisible(".empty"))
	v.visit("/runs/new")
	v.do("run", chromedp.SendKeys("#selector", "web1"), chromedp.SendKeys("#command", "uptime"), chromedp.Click(`button[value="run"]`), chromedp.WaitVisible("#groups"))
	text, err := chromedp.Run(v.ctx, chromedp.Text("h1"))
	if err != nil || !strings.HasPrefix(text, "Run 1") {
		t.Errorf("got %q, %v", text, err)
	}
}
