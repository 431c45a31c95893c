package output

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"tutti/fanout"
	"tutti/internal/safefile"
	"tutti/internal/sanitize"
)

// JUnit writes a report in the form that GitHub's actions, GitLab and Jenkins
// read: the run is a test suite and each host a test case, with the last 64 KiB
// of each of its outputs. A host that failed is a failure, one that timed out or
// was lost, unreachable or canceled an error.
//
// Close writes the report, in one piece: an interrupted run has a report, one that
// never started has none.
type JUnit struct {
	path    string
	pool    *pool
	plan    *fanout.Plan
	runID   int64
	cases   []testCase // by Target.Index
	summary *fanout.Summary
}

var _ fanout.Sink = (*JUnit)(nil)

// A testCase is a target.
type testCase struct {
	result fanout.Result
	out    [2]*tail // by Stream; nil if nothing was written
}

// NewJUnit returns a JUnit that writes to the file path, which it replaces.
func NewJUnit(path string) *JUnit {
	return &JUnit{path: path, pool: newPool(spillLimit)}
}

// Handle collects e. Its error is that of the temporary file.
func (j *JUnit) Handle(_ context.Context, e fanout.Event) error {
	switch e.Kind {
	case fanout.RunStarted:
		j.plan, j.runID = e.Plan, e.RunID
		j.cases = make([]testCase, len(e.Plan.Targets))
	case fanout.Output:
		c := &j.cases[e.Target.Index]
		if c.out[e.Stream] == nil {
			c.out[e.Stream] = &tail{pool: j.pool}
		}
		return c.out[e.Stream].write(e.Data)
	case fanout.TargetRetrying:
		j.cases[e.Target.Index].free()
	case fanout.TargetFinished:
		j.cases[e.Target.Index].result = *e.Result
	case fanout.RunFinished:
		j.summary = e.Summary
	}
	return nil
}

// Close writes the report, if the run has finished. It may be called again.
func (j *JUnit) Close() error {
	var err error
	if j.summary != nil {
		if err = safefile.Replace(j.path, j.write); err != nil {
			err = fmt.Errorf("write the report %s: %w", j.path, err)
		}
		j.summary = nil
	}
	for i := range j.cases {
		j.cases[i].free()
	}
	if closeErr := j.pool.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (c *testCase) free() {
	for s, t := range c.out {
		t.free()
		c.out[s] = nil
	}
}

// A report is a file in the making.
type report struct{ *bufio.Writer }

// put writes text; an error comes back in Flush.
func (w report) put(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// write writes the report.
func (j *JUnit) write(dst io.Writer) error {
	w := report{bufio.NewWriter(dst)}
	s := j.summary
	failures := s.Counts[fanout.Failed]
	skipped := s.Counts[fanout.Skipped]
	failed := s.Hosts - s.Counts[fanout.OK] - skipped - failures
	counts := fmt.Sprintf(`tests="%d" failures="%d" errors="%d" time="%s"`,
		s.Hosts, failures, failed, secondsAttr(durationOf(s)))
	// Jenkins validates against a schema that knows skipped only for one suite.
	w.put("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"tutti\" %s>\n", counts)
	w.put("<testsuite name=\"%s\" %s skipped=\"%d\" timestamp=\"%s\">\n",
		xmlAttr(j.title()), counts, skipped, s.Started.UTC().Format("2006-01-02T15:04:05"))
	j.writeProperties(w)
	class := className(j.plan.Selector)
	for i := range j.cases {
		if err := j.cases[i].write(w, class, j.plan.Targets[i].Name); err != nil {
			return err
		}
	}
	w.put("</testsuite>\n</testsuites>\n")
	return w.Flush()
}

// title is what the suite is called.
func (j *JUnit) title() string {
	if !j.plan.Task.Runs() {
		return "ping " + j.plan.Selector
	}
	return j.plan.Selector + ": " + j.plan.Task.Label()
}

func (j *JUnit) writeProperties(w report) {
	w.put("<properties>\n")
	property := func(name, value string) {
		if value != "" {
			w.put("<property name=\"%s\" value=\"%s\"/>\n", name, xmlAttr(value))
		}
	}
	if j.runID != 0 {
		property("run", fmt.Sprint(j.runID))
	}
	property("source", j.plan.Source)
	property("selector", j.plan.Selector)
	property("command", j.plan.Task.Label())
	property("stopped", j.summary.Stopped.String())
	w.put("</properties>\n")
}

func (c *testCase) write(w report, class, host string) error {
	r := c.result.Report
	took := r.Resolve + r.Dial + r.Login + r.Command
	w.put("<testcase classname=\"%s\" name=\"%s\" time=\"%s\">\n", class, xmlAttr(host), secondsAttr(took))
	switch kind := c.result.Outcome.String(); c.result.Outcome {
	case fanout.OK:
	case fanout.Skipped:
		w.put("<skipped/>\n")
	case fanout.Failed:
		c.writeProblem(w, "failure", kind)
	default:
		c.writeProblem(w, "error", kind)
	}
	for i, element := range []string{"system-out", "system-err"} {
		text, err := c.out[i].text()
		if err != nil {
			return err
		}
		if text != "" {
			w.put("<%[1]s>%[2]s</%[1]s>\n", element, xmlText(text))
		}
	}
	w.put("</testcase>\n")
	return nil
}

func (c *testCase) writeProblem(w report, element, kind string) {
	text := xmlAttr(describe(&c.result))
	w.put("<%[1]s type=\"%[2]s\" message=\"%[3]s\">%[3]s", element, kind, text)
	if n := c.result.Attempts; n > 1 {
		w.put("\nthe last of %d attempts", n)
	}
	if f := c.result.Report.Failure; f != nil && f.Remote == fanout.RemoteUnknown {
		w.put("\nmay still be running")
	}
	w.put("</%s>\n", element)
}

// className is the selector as the name of a class: the readers of reports find
// earlier results of a host by it, and see packages where it has dots.
func className(selector string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, selector)
	if clean == "" {
		return "tutti"
	}
	return "tutti." + clean
}

// secondsAttr is d in the unit of the reports.
func secondsAttr(d time.Duration) string { return fmt.Sprintf("%.3f", max(d, 0).Seconds()) }

// xmlEscapes are what XML gives a meaning to; what it does not allow, Visible
// has made something else.
var xmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func xmlText(s string) string { return xmlEscapes.Replace(sanitize.Visible(s)) }

func xmlAttr(s string) string { return xmlEscapes.Replace(sanitize.VisibleLine(s)) }
