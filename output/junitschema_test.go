package output

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tutti/fanout"
)

// A schemaElement is what a schema says of an element: the attributes that it
// must and may have, its children, and whether it holds text.
type schemaElement struct {
	required, optional []string
	children           []string
	text               bool
}

// junitSchema is the rules of junit-10.xsd, by which the xunit plugin of Jenkins
// validates a report before it reads it.
var junitSchema = map[string]schemaElement{
	"testsuites": {
		optional: []string{"name", "time", "tests", "failures", "errors"},
		children: []string{"testsuite"},
	},
	"testsuite": {
		required: []string{"name", "tests", "failures", "errors"},
		optional: []string{"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
		children: []string{"testsuite", "properties", "testcase", "system-out", "system-err"},
	},
	"properties": {children: []string{"property"}},
	"property":   {required: []string{"name", "value"}},
	"testcase": {
		required: []string{"name"},
		optional: []string{"time", "classname", "group"},
		children: []string{"skipped", "error", "failure", "system-out", "system-err"},
	},
	"skipped":    {optional: []string{"type", "message"}, text: true},
	"error":      {optional: []string{"type", "message"}, text: true},
	"failure":    {optional: []string{"type", "message"}, text: true},
	"system-out": {text: true},
	"system-err": {text: true},
}

// schemaTime is how a time of a suite is written.
var schemaTime = regexp.MustCompile(`^[0-9,]*(\.[0-9]*)?$`)

// validate holds a report against junitSchema, and returns what is wrong.
func validate(report string) (wrong []string) {
	d := xml.NewDecoder(strings.NewReader(report))
	var open []string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return wrong
		}
		if err != nil {
			return append(wrong, err.Error())
		}
		switch token := token.(type) {
		case xml.StartElement:
			wrong = append(wrong, checkElement(open, token)...)
			open = append(open, token.Name.Local)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if text := strings.TrimSpace(string(token)); text != "" && (len(open) == 0 || !junitSchema[open[len(open)-1]].text) {
				wrong = append(wrong, fmt.Sprintf("text %.20q in %v", text, open))
			}
		}
	}
}

func checkElement(open []string, e xml.StartElement) (wrong []string) {
	name := e.Name.Local
	parents := []string{"testsuites"}
	if len(open) > 0 {
		parents = junitSchema[open[len(open)-1]].children
	}
	if !slices.Contains(parents, name) {
		wrong = append(wrong, fmt.Sprintf("<%s> in %v", name, open))
	}
	rules, missing := junitSchema[name], map[string]bool{}
	for _, a := range rules.required {
		missing[a] = true
	}
	for _, a := range e.Attr {
		delete(missing, a.Name.Local)
		if !slices.Contains(rules.required, a.Name.Local) && !slices.Contains(rules.optional, a.Name.Local) {
			wrong = append(wrong, fmt.Sprintf("attribute %s of <%s>", a.Name.Local, name))
		}
		if a.Name.Local == "time" && !schemaTime.MatchString(a.Value) {
			wrong = append(wrong, fmt.Sprintf("time %q of <%s>", a.Value, name))
		}
	}
	for a := range missing {
		wrong = append(wrong, fmt.Sprintf("<%s> without %s", name, a))
	}
	return wrong
}

// TestJUnitSchema holds every kind of result against the schema.
func TestJUnitSchema(t *testing.T) {
	_, full := reportOf(t, everyday)
	_, odd := reportOf(t, func(tb testing.TB, sink fanout.Sink) {
		s := newStory(tb, sink, "a", "b", "c", "d", "e")
		s.plan.Task.Action = fanout.Ping{}
		s.begin()
		s.start("a")
		s.err("a", "only on stderr \ufffe\u200b")
		s.finish("a", exited(0))
		s.finish("b", stopped(fanout.OpCanceled, fanout.RemoteUnknown))
		s.finish("c", stopped(fanout.OpConnection, fanout.RemoteUnknown))
		s.retry("d", unreachable(fanout.OpDial, "connection refused"))
		s.skip("d")
		s.finish("e", fanout.Report{Exit: &fanout.Exit{Signal: "TERM", Core: true}, Started: true})
		s.end()
	})
	_, empty := reportOf(t, func(tb testing.TB, sink fanout.Sink) {
		s := newStory(tb, sink)
		s.runID = 0
		s.begin()
		s.end()
	})
	for name, report := range map[string]string{"full": full, "odd": odd, "empty": empty} {
		if wrong := validate(report); len(wrong) > 0 {
			t.Errorf("%s: got %q in\n%s", name, wrong, report)
		}
	}
	for _, bad := range []string{
		`<testsuites skipped="0"/>`, `<testsuite name="a"/>`, `<testsuites><testcase name="a"/></testsuites>`, `<testsuites>text</testsuites>`,
	} {
		if len(validate(bad)) == 0 {
			t.Errorf("%s: got no objection", bad)
		}
	}
}
