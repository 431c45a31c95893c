package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tutti/fanout"
)

// TestStreamChunks cuts the outputs of many hosts at random and mixes them:
// every line must come out whole, once, under its host's name, in order.
func TestStreamChunks(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var hosts []string
	rest, want := map[string]string{}, map[string]string{}
	for i := range 20 {
		host := fmt.Sprintf("h%d", i)
		hosts = append(hosts, host)
		var text strings.Builder
		for range 50 {
			text.WriteString(strings.Repeat(fmt.Sprintf("<%s>", host), rng.IntN(30)) + "\n")
		}
		text.WriteString("last")
		rest[host], want[host] = text.String(), text.String()+"\n"
	}
	stdout, stderr := render(t, Options{}, openStream, func(sink fanout.Sink) {
		s := newStory(t, sink, hosts...)
		s.begin()
		for open := append([]string(nil), hosts...); len(open) > 0; {
			i := rng.IntN(len(open))
			host := open[i]
			n := min(len(rest[host]), 1+rng.IntN(200))
			s.out(host, rest[host][:n])
			if rest[host] = rest[host][n:]; rest[host] == "" {
				s.finish(host, exited(0))
				open = append(open[:i], open[i+1:]...)
			}
		}
		s.end()
	})
	got := map[string]string{}
	for line := range strings.Lines(stdout) {
		host, text, _ := strings.Cut(line, ": ")
		got[host] += text
	}
	for _, host := range hosts {
		if got[host] != want[host] {
			t.Errorf("%s: got %q, want %q", host, got[host], want[host])
		}
	}
	if stderr != "" {
		t.Errorf("stderr: got %q, want nothing", stderr)
	}
}

// TestAloneIsNotHeldUp: with one host and no prefix there is nothing that its bytes
// could get mixed up with; they need not wait for the end of their line.
func TestAloneIsNotHeldUp(t *testing.T) {
	r, w := io.Pipe()
	defer func() { _ = r.Close() }()
	stdout, stderr := NewWriter(w), NewWriter(io.Discard)
	stream := NewStream(Options{Stdout: stdout, Stderr: stderr, NoPrefix: true})
	s := newStory(t, stream, "a")
	s.begin()
	for _, part := range []string{"one", "\ntwo", " three"} {
		s.out("a", part)
		got := make([]byte, len(part))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != part {
			t.Fatalf("got %q, %v, want %q", got, err, part)
		}
	}
	s.finish("a", exited(0))
	s.end()
	if err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	closeWriters(t, stdout, stderr)
}

// TestStreamLongLines sends lines of megabytes from several hosts at once.
func TestStreamLongLines(t *testing.T) {
	const hosts, size = 8, 5 << 20
	chunk := strings.Repeat("x", 32<<10)
	var sink *Stream
	stdout, _ := render(t, Options{}, func(o Options) closingSink {
		sink = NewStream(o)
		sink.partials.pool.limit = 1 << 20
		return sink
	}, func(fanout.Sink) {
		var names []string
		for i := range hosts {
			names = append(names, fmt.Sprintf("h%d", i))
		}
		s := newStory(t, sink, names...)
		s.begin()
		for range size / len(chunk) {
			for _, h := range names {
				s.out(h, chunk)
			}
		}
		if used := sink.partials.pool.used; used > 1<<20 {
			t.Errorf("got %d bytes in memory, want at most %d", used, 1<<20)
		}
		for _, h := range names {
			s.out(h, "\n")
			s.finish(h, exited(0))
		}
		s.end()
	})
	n := 0
	for line := range strings.Lines(stdout) {
		if want := fmt.Sprintf("h%d: ", n); !strings.HasPrefix(line, want) || len(line) != len(want)+size+1 {
			t.Errorf("line %d: got %d bytes that begin with %.10q, want %d", n, len(line), line, len(want)+size+1)
		}
		n++
	}
	if n != hosts {
		t.Errorf("got %d lines, want %d", n, hosts)
	}
}

// TestNothingIsKeptForTheNullDevice: lines that are never shown take no memory and no
// room on disk until their end; stderr is shown as ever.
func TestNothingIsKeptForTheNullDevice(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	chunk := strings.Repeat("x", 1<<20)
	stdout, stderr := render(t, Options{StdoutNull: true}, func(o Options) closingSink { return NewStream(o) }, func(sink fanout.Sink) {
		s := newStory(t, sink, "a")
		s.begin()
		for range spillLimit/len(chunk) + 1 {
			s.out("a", chunk)
		}
		s.err("a", "late\n")
		s.finish("a", exited(0))
		s.end()
	})
	if stdout != "" || stderr != "a: late\n" {
		t.Errorf("got %d bytes of stdout, stderr %q, want none and the line", len(stdout), stderr)
	}
}

// FuzzStreamTerminal checks that whatever a host sends, on whichever stream and
// however cut, a terminal sees only safe lines under the host's name, and as
// many as were sent.
func FuzzStreamTerminal(f *testing.F) {
	f.Add("a\r\nb\x1b[2J\xe2\x82\xac\n\n", 3, false)
	f.Add("\x1b[31mred\nhalf", 2, true)
	f.Fuzz(func(t *testing.T, data string, size int, stderr bool) {
		stream := fanout.Stdout
		if stderr {
			stream = fanout.Stderr
		}
		opts := Options{StdoutTerminal: true, StderrTerminal: true}
		out, errs := render(t, opts, openStream, func(sink fanout.Sink) {
			s := newStory(t, sink, "web01")
			s.begin()
			for rest := data; rest != ""; {
				n := min(len(rest), max(1, size))
				s.say("web01", stream, rest[:n])
				rest = rest[n:]
			}
			s.finish("web01", exited(0))
			s.end()
		})
		if stderr {
			out, errs = errs, out
		}
		if errs != "" {
			t.Fatalf("the other stream: got %q, want nothing", errs)
		}
		checkSafe(t, out)
		want := strings.Count(data, "\n")
		if data != "" && !strings.HasSuffix(data, "\n") {
			want++
		}
		for line := range strings.Lines(out) {
			if want--; !strings.HasPrefix(line, "web01: ") || !strings.HasSuffix(line, "\n") {
				t.Fatalf("got line %q", line)
			}
		}
		if want != 0 {
			t.Fatalf("got %d lines too few", want)
		}
	})
}

// TestStreamClosedPipe checks that a reader who leaves ends the run.
func TestStreamClosedPipe(t *testing.T) {
	r, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pipe.Close() }()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	stdout, stderr := NewWriter(pipe), NewWriter(io.Discard)
	sink := NewStream(Options{Stdout: stdout, Stderr: stderr})
	target := &fanout.Target{Name: "web01"}
	event := fanout.Event{Kind: fanout.Output, Target: target, Data: []byte("hello\n")}
	if err := sink.Handle(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	<-stdout.Failed()
	if err := sink.Handle(t.Context(), event); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Handle: got %v, want %v", err, syscall.EPIPE)
	}
	if err := stdout.Close(t.Context()); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Close: got %v, want %v", err, syscall.EPIPE)
	}
	closeWriters(t, stderr)
}

// TestOneTerminal checks that both streams of a host stay in order on a
// terminal that they share, and that no header sticks to a block before it.
func TestOneTerminal(t *testing.T) {
	tests := []struct {
		name string
		open func(Options) closingSink
		want string
	}{
		{"stream", openStream, "a: out 1\na: err\na: out 2\n"},
		{"host", openBlocks, "a  ok\nout 1\nout 2\n\na  ok\nerr\n\nb  failed, exit 1\n"},
		{"fold", openFold, "a (1)  ok\nout 1\nout 2\n\na (1)  ok\nerr\n\nb (1)  failed, exit 1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var dst shared
			out, errs := NewWriterPair(&dst, &dst)
			sink := tt.open(Options{Stdout: out, Stderr: errs})
			s := newStory(t, sink, "a", "b")
			s.begin()
			s.out("a", "out 1\n")
			s.err("a", "err\n")
			s.out("a", "out 2\n")
			s.finish("a", exited(0))
			s.finish("b", exited(1))
			s.end()
			if err := sink.Close(); err != nil {
				t.Fatal(err)
			}
			closeWriters(t, out, errs)
			if got := dst.text(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestOwnLines checks that our own lines on a terminal do not stick to an
// output without a last newline, and that they add nothing to a pipe.
func TestOwnLines(t *testing.T) {
	tell := func(out, errs *Writer) {
		opts := Options{Stdout: out, Stderr: errs, NoPrefix: true}
		stream, summary := NewStream(opts), NewSummary(opts)
		s := newStory(t, fanout.Tee(stream, summary), "a")
		s.begin()
		s.out("a", "half")
		s.omit("a", 9)
		s.out("a", "rest")
		s.finish("a", exited(0))
		s.end()
		if err := errors.Join(summary.Print(), stream.Close()); err != nil {
			t.Fatal(err)
		}
		closeWriters(t, out, errs)
	}
	var terminal shared
	tell(NewWriterPair(&terminal, &terminal))
	const note, last = "tutti: a: 9 bytes of its stdout not recorded\n", "run 142: 1 ok of 1 in 500ms\n"
	if got, want := terminal.text(), "half\n"+note+"rest\n"+last; got != want {
		t.Errorf("terminal: got %q, want %q", got, want)
	}
	var out, errs screen
	tell(NewWriter(&out), NewWriter(&errs))
	if got, want := out.String(), "halfrest"; got != want {
		t.Errorf("stdout: got %q, want %q", got, want)
	}
	if got, want := errs.String(), note+last; got != want {
		t.Errorf("stderr: got %q, want %q", got, want)
	}
}

// TestQuietSaysNothing checks what cron relies on.
func TestQuietSaysNothing(t *testing.T) {
	for name, open := range map[string]func(Options) closingSink{
		"stream": openStream, "host": openBlocks, "fold": openFold, "summary": openSummary,
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr := render(t, Options{Quiet: true}, open, func(sink fanout.Sink) {
				s := newStory(t, sink, "a", "b")
				s.begin()
				s.out("a", "fine\n")
				s.err("b", "half of a li")
				s.finish("a", exited(0))
				s.finish("b", exited(0))
				s.end()
			})
			if stdout != "" || stderr != "" {
				t.Errorf("got stdout %q and stderr %q, want nothing", stdout, stderr)
			}
		})
	}
}

// TestCloseEarly checks that a run that was cut off leaves no file open.
func TestCloseEarly(t *testing.T) {
	big := strings.Repeat("x", 100<<10)
	pools := map[string]func(Options) (closingSink, *pool){
		"stream": func(o Options) (closingSink, *pool) { s := NewStream(o); return s, s.partials.pool },
		"quiet": func(o Options) (closingSink, *pool) {
			o.Quiet = true
			s := NewStream(o)
			return s, s.kept.pool
		},
		"host": func(o Options) (closingSink, *pool) { s := NewBlocks(o); return s, s.kept.pool },
		"fold": func(o Options) (closingSink, *pool) { s := NewFold(o); return s, s.kept.pool },
	}
	for name, open := range pools {
		t.Run(name, func(t *testing.T) {
			w := NewWriter(io.Discard)
			sink, pool := open(Options{Stdout: w, Stderr: w})
			s := newStory(t, sink, "a", "b")
			s.begin()
			s.out("a", big)
			s.finish("a", exited(0))
			s.out("b", big)
			if pool.file == nil {
				t.Fatal("nothing was spilled")
			}
			if err := sink.Close(); err != nil {
				t.Fatal(err)
			}
			closeWriters(t, w)
			if pool.file != nil || pool.used != 0 {
				t.Errorf("got file %v and %d bytes in use, want nothing", pool.file, pool.used)
			}
		})
	}
}

func BenchmarkStream(b *testing.B) {
	w := NewWriter(io.Discard)
	sink := NewStream(Options{Stdout: w, Stderr: w, StdoutTerminal: true})
	data := []byte(strings.Repeat("2026-03-04 05:06:07 host app[123]: something happened\n", 600) + "and a half")
	targets := make([]fanout.Target, 100)
	for i := range targets {
		targets[i] = fanout.Target{Index: i, Name: fmt.Sprintf("web%02d", i)}
	}
	ctx := context.Background()
	b.SetBytes(int64(len(data)))
	n := 0
	for b.Loop() {
		n++
		e := fanout.Event{Kind: fanout.Output, Target: &targets[n%len(targets)], Data: data}
		if err := sink.Handle(ctx, e); err != nil {
			b.Fatal(err)
		}
		if n%64 == 0 { // as the byte budget of a run does
			done := make(chan struct{})
			if err := w.queue(nil, func() { close(done) }); err != nil {
				b.Fatal(err)
			}
			<-done
		}
	}
	closeWriters(b, w)
}
