package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// programs are the names that Chromium has.
var programs = []string{"chromium", "chromium-browser", "google-chrome"}

// findBrowser is its program. Where there is none the test is skipped, or fails if the
// environment has CI=true.
func findBrowser(tb testing.TB) string {
	tb.Helper()
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const hint = "no Chromium is installed (Debian: apt-get install chromium)"
	if os.Getenv("CI") == "true" {
		tb.Fatal(hint)
	}
	tb.Skip(hint)
	return ""
}

// theBrowser is the one that all tests share; closeBrowser ends it.
var (
	theBrowser   context.Context
	closeBrowser = func() {}
	browserOnce  sync.Once
	errBrowser   error
)

func startBrowser(path string) {
	ctx, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path))...)
	theBrowser, _ = chromedp.NewContext(ctx)
	closeBrowser = stop
	errBrowser = chromedp.Do(theBrowser)
}

// A tab is one of the browser's, with cookies of its own. Its methods end the test if
// something takes longer than patience.
type tab struct {
	testing.TB
	*site
	ctx context.Context
}

// newTab is one that no user is logged in to; it shows a page of the site that has
// nothing but text.
func (s *site) newTab() *tab {
	s.Helper()
	path := findBrowser(s.TB)
	browserOnce.Do(func() { startBrowser(path) })
	if errBrowser != nil {
		s.Fatal(errBrowser)
	}
	ctx, cancel := chromedp.NewContext(theBrowser, chromedp.WithNewBrowserContext())
	s.Cleanup(cancel)
	t := &tab{TB: s.TB, site: s, ctx: ctx}
	if err := chromedp.Do(ctx, chromedp.Navigate(s.url("/healthz")), chromedp.Evaluate[chromedp.Void](watching)); err != nil {
		s.Fatal(err)
	}
	return t
}

//go:embed testdata/watch.js
var watching string

// call is the value of a function of the page for these arguments, or of the promise that
// it returns.
func call[T any](t *tab, function string, args ...any) T {
	t.Helper()
	texts := make([]string, len(args))
	for i, arg := range args {
		text, err := json.Marshal(arg)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	expression := function + "(" + strings.Join(texts, ", ") + ")"
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}
