package output

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tutti/fanout"
	"tutti/internal/sanitize"
)

// maxReason bounds a reason in text, in bytes; it may come from a host.
const maxReason = 600

// foldable is r without what only its own host has, for hosts that are reported
// together.
func foldable(r *fanout.Result) *fanout.Result {
	f := r.Report.Failure
	if f == nil || f.Detail == "" {
		return r
	}
	same, why := *r, *f
	why.Detail = ""
	same.Report.Failure = &why
	return &same
}

// describe is the outcome with its reason: "failed, exit 3", "timeout: no end
// within 10s", "failed: sudo: password rejected", "unreachable: dial: connection refused".
func describe(r *fanout.Result) string {
	text, why := r.Outcome.String(), reason(r)
	switch {
	case why == "":
		return text
	case r.Report.Exit != nil:
		return text + ", " + why
	}
	return text + ": " + why
}

// reason says why r is not ok, on one visible line without the outcome's name.
// It is empty if there is nothing to add.
func reason(r *fanout.Result) string {
	switch exit, failure := r.Report.Exit, r.Report.Failure; {
	case r.Outcome == fanout.OK || r.Outcome == fanout.Skipped:
		return ""
	case exit != nil:
		return exitReason(exit)
	case failure != nil:
		return failureReason(r, failure)
	}
	return ""
}

func exitReason(e *fanout.Exit) string {
	if e.Signal == "" {
		return "exit " + strconv.FormatUint(uint64(e.Code), 10)
	}
	text := "signal " + sanitize.VisibleLine(e.Signal)
	if e.Core {
		text += ", core dumped"
	}
	return cut(text)
}

func failureReason(r *fanout.Result, f *fanout.Failure) string {
	switch {
	case f.Op == fanout.OpCanceled && r.Outcome == fanout.Canceled:
		return ""
	case f.Op == fanout.OpTimeout && r.Outcome == fanout.Timeout:
		return cut(sanitize.VisibleLine(f.Text())) // the op says what the outcome does
	}
	op, message := string(f.Op), sanitize.VisibleLine(f.Text())
	if message == "" || message == op {
		return op
	}
	if strings.HasPrefix(message, op+":") {
		return cut(message)
	}
	return cut(op + ": " + message)
}

// cut shortens a text that is too long for a line of a report. It cuts the middle,
// because the end may matter most.
func cut(s string) string {
	if len(s) <= maxReason {
		return s
	}
	head, tail := maxReason/2, len(s)-maxReason/2
	for head > 0 && !utf8.RuneStart(s[head]) {
		head--
	}
	for tail < len(s) && !utf8.RuneStart(s[tail]) {
		tail++
	}
	return s[:head] + " ... " + s[tail:]
}

// durationText is d as people say it, with two figures that count.
func durationText(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.FormatInt(max(d, 0).Milliseconds(), 10) + "ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', 1, 64) + "s"
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// bytesText is n as people say it.
func bytesText(n int64) string {
	switch {
	case n == 1:
		return "1 byte"
	case n < 10<<10:
		return strconv.FormatInt(n, 10) + " bytes"
	case n < 10<<20:
		return strconv.FormatInt(n>>10, 10) + " KiB"
	}
	return strconv.FormatInt(n>>20, 10) + " MiB"
}
