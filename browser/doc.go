// Package browser tests a tutti that serves as a browser meets it. It has nothing but
// tests, and is a module of its own, so that what drives the browser is not among what
// the program needs:
//
//	cd browser && go test ./...
//
// The browser is Chromium, driven over its DevTools protocol by chromedp; `make test`
// installs it where it can. Where there is none the tests are skipped, or fail if the
// environment has CI=true.
//
// A site is a daemon with hosts that do what the test says, behind an address that stays
// the same when the daemon is replaced; its program is the one of this tree. A tab is one
// of the browser, with cookies of its own.
//
// JavaScript that a test evaluates is exempt from a page's policy for eval while it runs
// synchronously. What a person does is done by real input events.
package browser
