package output

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tutti/api/event"
	"tutti/fanout"
)

// parsedOutput is an output event as a reader sees it.
type parsedOutput struct {
	Type, Host, Stream, Data, Encoding string
	Partial                            bool
}

// bytesOf decodes the data of e.
func (e parsedOutput) bytesOf(tb testing.TB) []byte {
	tb.Helper()
	if e.Encoding == "" {
		return []byte(e.Data)
	}
	data, err := base64.StdEncoding.DecodeString(e.Data)
	if err != nil || e.Encoding != "base64" {
		tb.Fatalf("encoding %q: %v", e.Encoding, err)
	}
	return data
}

// outputs parses the lines of a run and returns its output events.
func outputs(tb testing.TB, text string) []parsedOutput {
	tb.Helper()
	var events []parsedOutput
	for line := range strings.Lines(text) {
		var e parsedOutput
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			tb.Fatalf("%q: %v", line, err)
		}
		if e.Type == "output" {
			events = append(events, e)
		}
	}
	return events
}

// jsonOf sends data in chunks of the sizes that next gives, and returns the
// output events.
func jsonOf(tb testing.TB, data string, next func() int) []parsedOutput {
	tb.Helper()
	stdout, _ := render(tb, Options{}, openJSON, func(sink fanout.Sink) {
		s := newStory(tb, sink, "web01")
		s.begin()
		s.start("web01")
		for data != "" {
			n := min(len(data), max(1, next()))
			s.out("web01", data[:n])
			data = data[n:]
		}
		s.finish("web01", exited(0))
		s.end()
	})
	checkSafe(tb, stdout)
	return outputs(tb, stdout)
}

// checkOutputs fails unless events carry data, whole lines each, and cut only
// lines that are too long, and only between characters.
func checkOutputs(tb testing.TB, events []parsedOutput, data string) {
	tb.Helper()
	var joined bytes.Buffer
	for i, e := range events {
		part := e.bytesOf(tb)
		joined.Write(part)
		ends := bytes.HasSuffix(part, []byte("\n"))
		last := i == len(events)-1
		switch {
		case len(part) == 0:
			tb.Fatalf("event %d is empty", i)
		case bytes.Contains(part, []byte("\n")) && !ends:
			tb.Fatalf("event %d holds lines and a part of one: %.80q", i, part)
		case bytes.Count(part, []byte("\n")) > 1 && len(part) > maxData:
			tb.Fatalf("event %d holds %d bytes of lines", i, len(part))
		case e.Partial && (ends || last || len(part) < maxData):
			tb.Fatalf("event %d of %d bytes is partial without need", i, len(part))
		case !e.Partial && !ends && !last:
			tb.Fatalf("event %d is not partial and has no newline", i)
		case len(part) > maxData+utf8.UTFMax-1:
			tb.Fatalf("event %d has %d bytes", i, len(part))
		case utf8.ValidString(data) && e.Encoding != "":
			tb.Fatalf("event %d is cut within a character", i)
		}
		for line := range bytes.Lines(part) {
			if (e.Encoding == "base64") == utf8.Valid(line) {
				tb.Fatalf("event %d: encoding %q for valid UTF-8 %v", i, e.Encoding, utf8.Valid(line))
			}
		}
	}
	if joined.String() != data {
		tb.Fatalf("got %d bytes, want %d, or they differ", joined.Len(), len(data))
	}
}

func TestJSONLines(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", maxData/16)
	tests := []struct {
		name, data string
		events     int
	}{
		{"lines", "a\nb\n\nc", 2},
		{"as long as it may be", long[1:] + "\n" + "next\n", 2},
		{"one too long", long + "\n", 2},
		{"no newline", long, 1},
		{"several pieces", long + long + long + "end\n", 4},
		{"characters on the border", "x" + strings.Repeat("日本", maxData/2) + "\n", 3},
		{"four bytes", "xy" + strings.Repeat("🎼", maxData/2), 2},
		{"binary", strings.Repeat("\xff\x80", maxData) + "\n\xfe", 4},
		{"continuation bytes", strings.Repeat("\x80", 2*maxData), 2},
		{"nothing", "", 0},
	}
	sizes := map[string]func() func() int{
		"whole":  func() func() int { return func() int { return 1 << 30 } },
		"32 KiB": func() func() int { return func() int { return 32 << 10 } },
		"odd":    func() func() int { return func() int { return 4093 } },
		"random": func() func() int {
			rng := rand.New(rand.NewPCG(3, 4))
			return func() int { return rng.IntN(50_000) }
		},
	}
	for _, tt := range tests {
		for name, next := range sizes {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				events := jsonOf(t, tt.data, next())
				checkOutputs(t, events, tt.data)
				if len(events) != tt.events {
					t.Errorf("got %d events, want %d", len(events), tt.events)
				}
			})
		}
	}
}

// TestJSONSharedEvents looks at lines that came together.
func TestJSONSharedEvents(t *testing.T) {
	line := strings.Repeat("x", 99) + "\n"
	lines := strings.Repeat(line, maxData/len(line))
	tests := []struct {
		name, data string
		want       []string
	}{
		{"a few", "a\nb\n\n", []string{"a\nb\n\n"}},
		{"as many as fit", lines + line, []string{lines, line}},
		{"long between short", "a\n" + lines + line + "b\n", []string{"a\n" + lines, line + "b\n"}},
		{"too long between short", "a\n" + strings.Repeat("x", maxData) + "\nb\n", []string{
			"a\n", strings.Repeat("x", maxData), "\n", "b\n",
		}},
		{"binary between text", "a\nb\n\xff\n\xfe\nc\n", []string{"a\nb\n", "\xff\n\xfe\n", "c\n"}},
		{"binary first", "\xff\na\nb", []string{"\xff\n", "a\n", "b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, e := range jsonOf(t, tt.data, func() int { return len(tt.data) }) {
				got = append(got, string(e.bytesOf(t)))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %.100q, want %.100q", got, tt.want)
			}
		})
	}
}

func FuzzJSONOutput(f *testing.F) {
	f.Add("line\nhalf \xe2\x82\xac\x1b[2J\u202e\x00", 3)
	f.Add("\x80\x80\n\n", 1)
	f.Fuzz(func(t *testing.T, data string, size int) {
		checkOutputs(t, jsonOf(t, data, func() int { return size }), data)
	})
}

func TestJSONWithoutHistory(t *testing.T) {
	stdout, _ := render(t, Options{}, openJSON, func(sink fanout.Sink) {
		s := newStory(t, sink, "web01")
		s.runID = 0
		s.plan.Task.Action = fanout.Command("echo '<&>'")
		s.begin()
		s.finish("web01", fanout.Report{
			Exit: &fanout.Exit{Signal: "TERM", Core: true}, Started: true, OutputComplete: true,
		})
		s.end()
	})
	if strings.Contains(stdout, `"run":`) {
		t.Errorf("got a run number in %s", stdout)
	}
	for _, want := range []string{
		`"command":"echo '<&>'"`, `"signal":"TERM","output_complete"`, `"outcome":"failed"`, `"stopped":"none"`,
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got %s, want it to contain %s", stdout, want)
		}
	}
	if strings.Contains(stdout, `"TERM","exit_code"`) || strings.Contains(stdout, `"started":true,"exit_code"`) {
		t.Errorf("got an exit code and a signal in %s", stdout)
	}
}

func TestWriteJSON(t *testing.T) {
	var got bytes.Buffer
	err := WriteJSON(&got, struct {
		At   event.Time `json:"at"`
		Text string     `json:"text"`
	}{event.Time(time.Date(2026, 1, 2, 3, 4, 5, 999_999_999, time.FixedZone("", 3600))), "<\u202e\x7f\u009b>"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"at":"2026-01-02T02:04:05.999Z","text":"<\u202e\u007f\u009b>"}` + "\n"
	if got.String() != want {
		t.Errorf("got %s, want %s", got.String(), want)
	}
}

func BenchmarkJSON(b *testing.B) {
	w := NewWriter(io.Discard)
	sink := NewJSON(w, nil)
	data := []byte(strings.Repeat("2026-03-04 05:06:07 host app[123]: something happened\n", 600) + "and a half")
	target := &fanout.Target{Name: "web01"}
	ctx := context.Background()
	b.SetBytes(int64(len(data)))
	n := 0
	for b.Loop() {
		e := fanout.Event{Kind: fanout.Output, Target: target, Attempt: 1, Data: data}
		if err := sink.Handle(ctx, e); err != nil {
			b.Fatal(err)
		}
		if n++; n%64 == 0 { // as the byte budget of a run does
			done := make(chan struct{})
			if err := w.queue(nil, func() { close(done) }); err != nil {
				b.Fatal(err)
			}
			<-done
		}
	}
	closeWriters(b, w)
}

// TestEscapeControls checks that invisible characters are numbers in JSON, which
// its readers turn back into the same text.
func TestEscapeControls(t *testing.T) {
	const sent = "a\u200bb\u00adc\u202ed\U000e0041é日"
	line, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	got := string(escapeControls(line))
	if want := `"a\u200bb\u00adc\u202ed\udb40\udc41é日"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var back string
	if err := json.Unmarshal([]byte(got), &back); err != nil || back != sent {
		t.Errorf("got %q, %v back, want %q", back, err, sent)
	}
}
