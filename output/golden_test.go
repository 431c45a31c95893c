package output

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"tutti/fanout"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// everyday is a run with something of everything.
func everyday(tb testing.TB, sink fanout.Sink) {
	s := newStory(tb, sink, "web01", "web02", "web03", "db1", "db2", "cache1", "old1")
	s.begin()
	for _, h := range []string{"web01", "web02", "web03"} {
		s.start(h)
	}
	s.out("web01", "up 3 ")
	s.out("web02", "up 3 days\nload 0.")
	s.out("web01", "days\n")
	s.err("web02", "warning: disk\n")
	s.out("web01", "load 0.1")
	s.out("web02", "1")
	s.out("web03", "lost attempt\nhalf")
	s.retry("web03", stopped(fanout.OpConnection, fanout.RemoteUnknown))
	s.finish("web01", exited(0))
	s.finish("web02", exited(3))
	s.start("web03")
	s.out("web03", "up 3 days\nload 0.1")
	s.finish("web03", exited(0))
	s.finish("db1", unreachable(fanout.OpDial, "connection refused"))
	s.finish("db2", unreachable(fanout.OpDial, "connection refused"))
	s.start("cache1")
	late := stopped(fanout.OpTimeout, fanout.RemoteUnknown)
	late.Failure.Message = "timed out after 10s"
	s.finish("cache1", late)
	s.skip("old1")
	s.end()
}

// hostile is what a host may send to take a terminal over.
func hostile(tb testing.TB, sink fanout.Sink) {
	s := newStory(tb, sink, "evil")
	s.begin()
	s.start("evil")
	s.out("evil", "title \x1b]0;owned\x07 clipboard \x1b]52;c;ZXZpbA==\x07\n")
	s.out("evil", "colour \x1b[3")
	s.out("evil", "1mred and on\nclear \x1b[2J\x1b[H dcs \x1bP$q\"p\x1b\\\n")
	s.out("evil", "10%\r20%\r\nback\b\bspace bidi \u202egnp.exe c1 \u009b31m raw \x9b31m nul \x00 del \x7f\n")
	s.out("evil", "r\xc3")
	s.out("evil", "\xa9sum\xc3\xa9 cut \xe2\x82")
	s.err("evil", "\x1b[1mbold\x1b[0m \x1b[31")
	s.finish("evil", unreachable(fanout.OpLogin, "server says \x1b[2J\u202ehello\nworld"))
	s.end()
}

// binary is output that is not text.
func binary(tb testing.TB, sink fanout.Sink) {
	s := newStory(tb, sink, "web01", "web02")
	s.begin()
	s.start("web01")
	s.start("web02")
	s.out("web01", "\x00\x01\xff\xfe\n\n\n")
	s.out("web02", "\xff")
	s.omit("web01", 70000)
	s.omit("web02", 1)
	s.omit("web01", 20<<20)
	s.out("web01", "tail")
	s.finish("web01", exited(0))
	s.finish("web02", exited(0))
	s.end()
}

// drifted is a run whose hosts do not quite say the same.
func drifted(tb testing.TB, sink fanout.Sink) {
	hosts := []string{"web01", "web02", "web03", "web04", "case", "loud", "dos", "nul", "mute", "code", "down"}
	s := newStory(tb, sink, hosts...)
	s.begin()
	const text = "one\ntwo\nthree\nfour\nfive\nsix\n"
	for _, h := range hosts[:10] {
		s.start(h)
	}
	for _, h := range hosts[:4] {
		s.out(h, text)
	}
	s.out("case", "one\nTwo\nthree\nfour\nfive\nsix")
	s.out("loud", text)
	s.err("loud", "warning: \x1b[2Jdisk\n")
	s.out("dos", "one\ntwo\r\nthree\nfour\nfive\nsix\n")
	s.out("nul", "\x00\x01")
	s.out("code", text)
	for _, h := range hosts[:9] {
		s.finish(h, exited(0))
	}
	s.finish("code", exited(4))
	s.finish("down", unreachable(fanout.OpDial, "connection refused"))
	s.end()
}

func TestGolden(t *testing.T) {
	terminal := Options{StdoutTerminal: true, StderrTerminal: true}
	color := terminal
	color.StdoutColor, color.StderrColor = true, true
	raw := terminal
	raw.Raw = true
	quiet := Options{Quiet: true}
	bare := Options{NoPrefix: true}
	tests := []struct {
		name string
		opts Options
		open func(Options) closingSink
		tell func(testing.TB, fanout.Sink)
	}{
		{"stream", Options{}, openStream, everyday},
		{"stream-color", color, openStream, everyday},
		{"stream-quiet", quiet, openStream, everyday},
		{"stream-no-prefix", bare, openStream, everyday},
		{"stream-hostile-pipe", Options{}, openStream, hostile},
		{"stream-hostile-terminal", terminal, openStream, hostile},
		{"stream-hostile-raw", raw, openStream, hostile},
		{"stream-hostile-no-prefix", Options{NoPrefix: true, StdoutTerminal: true}, openStream, hostile},
		{"stream-binary", Options{}, openStream, binary},
		{"stream-binary-no-prefix", bare, openStream, binary},
		{"stream-timestamps", Options{Timestamps: true}, openStream, everyday},
		{"stream-timestamps-color", withTimestamps(color), openStream, binary},
		{"fold", Options{}, openFold, everyday},
		{"fold-color", color, openFold, everyday},
		{"fold-quiet", quiet, openFold, everyday},
		{"fold-no-prefix", bare, openFold, everyday},
		{"fold-hostile-terminal", terminal, openFold, hostile},
		{"fold-binary", Options{}, openFold, binary},
		{"fold-binary-no-prefix", bare, openFold, binary},
		{"fold-diff", Options{Diff: true}, openFold, drifted},
		{"fold-diff-color", withDiff(color), openFold, drifted},
		{"fold-diff-quiet", withDiff(quiet), openFold, drifted},
		{"host", Options{}, openBlocks, everyday},
		{"stream-binary-terminal", terminal, openStream, binary},
		{"host-quiet", quiet, openBlocks, everyday},
		{"host-hostile-terminal", terminal, openBlocks, hostile},
		{"json", Options{}, openJSON, everyday},
		{"json-hostile", Options{}, openJSON, hostile},
		{"json-binary", Options{}, openJSON, binary},
		{"summary", Options{}, openSummary, everyday},
		{"summary-color", color, openSummary, everyday},
		{"summary-hostile", terminal, openSummary, hostile},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stdout, stderr := render(t, tt.opts, tt.open, func(s fanout.Sink) { tt.tell(t, s) })
			golden(t, tt.name, "== stdout\n"+stdout+"\n== stderr\n"+stderr)
		})
	}
}

func withTimestamps(o Options) Options {
	o.Timestamps = true
	return o
}

func withDiff(o Options) Options {
	o.Diff = true
	return o
}

// golden compares got, with controls made visible, with a file.
func golden(tb testing.TB, name, got string) {
	tb.Helper()
	got = quoteControls(got)
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			tb.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tb.Fatalf("%v (run the test with -update)", err)
	}
	if got != string(want) {
		tb.Errorf("%s\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// quoteControls makes a golden file readable: what is not printable ASCII is
// quoted, in another form than the sanitizer's.
func quoteControls(s string) string {
	var quoted []byte
	for _, c := range []byte(s) {
		if c == '\n' || (c >= ' ' && c < 0x7f) {
			quoted = append(quoted, c)
			continue
		}
		quoted = fmt.Appendf(quoted, "<%02x>", c)
	}
	return string(quoted)
}
