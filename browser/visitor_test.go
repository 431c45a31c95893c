package browser

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A visitor is a person before the console: it types and clicks. What the browser complains
// of, such as something that a page's policy forbids, is noted.
type visitor struct {
	*tab

	mu     sync.Mutex // guards faults
	faults []string
}

// newVisitor is one who is not logged in.
func (s *site) newVisitor() *visitor {
	s.Helper()
	v := &visitor{tab: s.newTab()}
	err := chromedp.Listen(v.ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventConsoleAPICalled:
			if e.Type == "error" || e.Type == "warning" {
				v.note("console: " + text(e.Args))
			}
		case *runtime.EventExceptionThrown:
			v.note("exception: " + text(e.ExceptionDetails))
		case *log.EventEntryAdded:
			if e.Entry.Level == "error" {
				v.note(string(e.Entry.Source) + ": " + e.Entry.Text + " " + e.Entry.URL)
			}
		}
	})
	if err != nil {
		s.Fatal(err)
	}
	return v
}

func text(x any) string {
	data, err := json.Marshal(x)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func (v *visitor) note(fault string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults = append(v.faults, fault)
}

// sound fails the test if the browser has complained since it was last asked.
func (v *visitor) sound(where string) {
	v.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, fault := range v.faults {
		v.Errorf("%s: %s", where, fault)
	}
	v.faults = nil
}

// do does steps, within patience.
func (v *visitor) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	v.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		at, _ := chromedp.Run(v.ctx, chromedp.Location())                                    // for the message
		page, _ := chromedp.Run(v.ctx, chromedp.Evaluate[string]("document.body.innerText")) // the same
		v.Fatalf("%s: %v\nat %s:\n%s", what, err, at, page)
	}
}

// visit goes to a page.
func (v *visitor) visit(path string) {
	v.Helper()
	v.do("visit "+path, chromedp.Navigate(v.url(path)))
}

// login types a name and the password.
func (v *visitor) login(name string) {
	v.Helper()
	v.visit("/login")
	v.do("log in", chromedp.SendKeys("#name", name), chromedp.SendKeys("#password", password+"\r"))
	v.until(`location.pathname === "/runs"`)
}

// until waits until an expression holds in the page, or in one that it leads to.
func (v *visitor) until(expression string) {
	v.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	for {
		_, err := chromedp.Run(ctx, chromedp.Poll[bool](expression))
		if err == nil {
			return
		}
		if ctx.Err() == nil && (strings.Contains(err.Error(), "navigated") || strings.Contains(err.Error(), "context")) {
			continue // the page went while it was looked at
		}
		at, _ := chromedp.Run(v.ctx, chromedp.Location())                                    // for the message
		page, _ := chromedp.Run(v.ctx, chromedp.Evaluate[string]("document.body.innerText")) // the same
		v.Fatalf("%s: %v\nat %s:\n%s", expression, err, at, page)
	}
}

// says waits until the page has a text.
func (v *visitor) says(words string) {
	v.Helper()
	v.until("document.body.innerText.includes(" + text(words) + ")")
}

// see shows pages as a person sees them: with that width, in light or dark.
func (v *visitor) see(width int64, scheme string) {
	v.Helper()
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(v.ctx, emulation.SetEmulatedMedia, media); err != nil {
		v.Fatal(err)
	}
	v.do("see", chromedp.EmulateViewport(width, 900))
}

// axe is what checks accessibility; `.ci/need axe` fetches it. Where it is not there the
// test is skipped, or fails if the environment has CI=true.
func axe(tb testing.TB) string {
	tb.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(cache, "tutti-tools", "axe-core-4.14.1", "axe.min.js"))
	if err == nil {
		return string(data)
	}
	if os.Getenv("CI") == "true" {
		tb.Fatal(err)
	}
	tb.Skip("no axe-core: .ci/need axe fetches it")
	return ""
}

// A violation is something that not everybody can use.
type violation struct {
	ID     string `json:"id"`
	Impact string `json:"impact"`
	Help   string `json:"help"`
	Nodes  []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// checkPage fails the test if something on the page cannot be used by everybody, or is
// wider than the page.
func (v *visitor) checkPage(where string) {
	v.Helper()
	for _, x := range call[[]violation](v.tab, `(async () => (await axe.run()).violations)`) {
		var nodes []string
		for _, n := range x.Nodes {
			nodes = append(nodes, n.HTML+": "+n.Summary)
		}
		v.Errorf("%s: %s (%s): %s", where, x.ID, x.Help, strings.Join(nodes[:min(len(nodes), 3)], "\n"))
	}
	if over := call[float64](v.tab, `(() => document.documentElement.scrollWidth - innerWidth)`); over > 0 {
		v.Errorf("%s: it is %v pixels wider than the window", where, over)
	}
}
