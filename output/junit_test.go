package output

import (
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"tutti/fanout"
)

// The elements of a report that its readers look at.
type (
	xmlSuites struct {
		XMLName xml.Name `xml:"testsuites"`
		xmlCounts
		Skipped *int       `xml:"skipped,attr"`
		Suites  []xmlSuite `xml:"testsuite"`
	}
	xmlCounts struct {
		Tests    int     `xml:"tests,attr"`
		Failures int     `xml:"failures,attr"`
		Errors   int     `xml:"errors,attr"`
		Time     float64 `xml:"time,attr"`
	}
	xmlSuite struct {
		Name string `xml:"name,attr"`
		xmlCounts
		Skipped    int    `xml:"skipped,attr"`
		Timestamp  string `xml:"timestamp,attr"`
		Properties []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		} `xml:"properties>property"`
		Cases []xmlCase `xml:"testcase"`
	}
	xmlCase struct {
		Class   string      `xml:"classname,attr"`
		Name    string      `xml:"name,attr"`
		Time    float64     `xml:"time,attr"`
		Failure *xmlProblem `xml:"failure"`
		Error   *xmlProblem `xml:"error"`
		Skipped *struct{}   `xml:"skipped"`
		Out     string      `xml:"system-out"`
		Err     string      `xml:"system-err"`
	}
	xmlProblem struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// reportOf tells a run to a JUnit and reads its report with a strict parser.
func reportOf(tb testing.TB, tell func(testing.TB, fanout.Sink)) (xmlSuites, string) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "report.xml")
	j := NewJUnit(path)
	tell(tb, j)
	for range 2 {
		if err := j.Close(); err != nil {
			tb.Fatal(err)
		}
	}
	if j.pool.used != 0 || j.pool.live != 0 || j.pool.file != nil {
		tb.Errorf("got %d bytes, %d blocks and file %v in use, want nothing", j.pool.used, j.pool.live, j.pool.file)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	var got xmlSuites
	d := xml.NewDecoder(strings.NewReader(string(data)))
	if err := d.Decode(&got); err != nil {
		tb.Fatalf("%v\n%s", err, data)
	}
	if _, err := d.Token(); err != nil && !errors.Is(err, io.EOF) {
		tb.Errorf("after the report: %v", err)
	}
	return got, string(data)
}

func TestJUnit(t *testing.T) {
	got, text := reportOf(t, everyday)
	golden(t, "junit", text)
	want := xmlCounts{Tests: 7, Failures: 1, Errors: 3, Time: 2.2}
	if got.xmlCounts != want || len(got.Suites) != 1 || got.Suites[0].xmlCounts != want {
		t.Fatalf("got %+v, want %+v in the suite and above", got, want)
	}
	if got.Skipped != nil || got.Suites[0].Skipped != 1 {
		t.Errorf("got %v skipped above and %d in the suite, want none and 1", got.Skipped, got.Suites[0].Skipped)
	}
	suite := got.Suites[0]
	kinds := map[string]string{}
	for _, c := range suite.Cases {
		kind := "passed"
		switch {
		case c.Failure != nil:
			kind = "failure " + c.Failure.Type
		case c.Error != nil:
			kind = "error " + c.Error.Type
		case c.Skipped != nil:
			kind = "skipped"
		}
		kinds[c.Name] = kind
	}
	for host, want := range map[string]string{
		"web01": "passed", "web02": "failure failed", "web03": "passed", "db1": "error unreachable",
		"db2": "error unreachable", "cache1": "error timeout", "old1": "skipped",
	} {
		if kinds[host] != want {
			t.Errorf("%s: got %s, want %s", host, kinds[host], want)
		}
	}
	if c := suite.Cases[2]; c.Out != "up 3 days\nload 0.1" || c.Time != 0.283 || c.Class != "tutti.web" {
		t.Errorf("got %+v, want the output of the last attempt and the time of its steps", c)
	}
}

// TestJUnitHostile checks that nothing that a host sends breaks the report, or
// is lost from it.
func TestJUnitHostile(t *testing.T) {
	const sent = "a]]></system-out><failure/>&amp; \x00\x1b[2J\x9b \ufffe\uffff\r\n10%\rok <![CDATA["
	const want = "a]]></system-out><failure/>&amp; ^@^[[2J\\x9b \\ufffe\\uffff\n10%^Mok <![CDATA["
	got, _ := reportOf(t, func(tb testing.TB, sink fanout.Sink) {
		s := newStory(tb, sink, `evil"><x`)
		s.plan.Task.Action = fanout.Command("grep '<\"&>' \x1b[1m\nsecond line")
		s.plan.Selector = "a.b,&c=d"
		s.begin()
		s.out(`evil"><x`, sent)
		s.err(`evil"><x`, sent)
		s.finish(`evil"><x`, unreachable(fanout.OpLogin, sent))
		s.end()
	})
	suite := got.Suites[0]
	c := suite.Cases[0]
	if c.Out != want || c.Err != want {
		t.Errorf("got %q and %q, want %q", c.Out, c.Err, want)
	}
	if wantMessage := "unreachable: login: " + strings.ReplaceAll(want, "\n", " "); c.Error == nil || c.Error.Message != wantMessage {
		t.Errorf("got %+v, want message %q", c.Error, wantMessage)
	}
	if c.Name != `evil"><x` || c.Class != "tutti.a_b__c_d" {
		t.Errorf("got %q of class %q", c.Name, c.Class)
	}
	if want := `a.b,&c=d: grep '<"&>' ^[[1m second line`; suite.Name != want {
		t.Errorf("got %q, want %q", suite.Name, want)
	}
}

// TestJUnitKeepsTheEnd checks which part of long outputs is in the report, and
// that it need not fit into memory.
func TestJUnitKeepsTheEnd(t *testing.T) {
	long := strings.Repeat("0123456789abcde\n", 20<<10) + "the end"
	wide := strings.Repeat("é", 200<<10)
	got, _ := reportOf(t, func(tb testing.TB, sink fanout.Sink) {
		sink.(*JUnit).pool.limit = 100 << 10
		s := newStory(tb, sink, "a", "b", "c")
		s.begin()
		for rest := long; rest != ""; {
			n := min(len(rest), 9999)
			s.out("a", rest[:n])
			rest = rest[n:]
		}
		s.out("b", wide+"x")
		s.err("c", long[:tailBytes])
		for _, h := range []string{"a", "b", "c"} {
			s.finish(h, exited(0))
		}
		s.end()
	})
	for i, tt := range []struct{ got, sent, note string }{
		{got.Suites[0].Cases[0].Out, long, "[... 256 KiB left out ...]\n"},
		{got.Suites[0].Cases[1].Out, wide + "x", "[... 336 KiB left out ...]\n"},
		{got.Suites[0].Cases[2].Err, long[:tailBytes], ""},
	} {
		text, ok := strings.CutPrefix(tt.got, tt.note)
		if !ok || !strings.HasSuffix(tt.sent, text) || !utf8.ValidString(text) || len(text) < tailBytes-utf8.UTFMax || len(text) > tailBytes {
			t.Errorf("output %d: got %d bytes that begin with %.60q", i, len(tt.got), tt.got)
		}
	}
}

// TestJUnitWithoutARun checks that nothing is written about a run that never
// began.
func TestJUnitWithoutARun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.xml")
	if err := NewJUnit(path).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want no file", err)
	}
}
