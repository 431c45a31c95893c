package output

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A stuckWriter takes nothing until it is opened.
type stuckWriter struct {
	open chan struct{}
	screen
}

func (s *stuckWriter) Write(p []byte) (int, error) {
	<-s.open
	return s.screen.Write(p)
}

// A shared is a terminal that two streams end on, and counts its writes.
type shared struct {
	mu     sync.Mutex
	writes []string
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, string(p))
	return len(p), nil
}

// list is the writes so far.
func (s *shared) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

func (s *shared) text() string { return strings.Join(s.list(), "") }

// TestInterjectionsComeFirst: what an operator asks for is not behind the flood
// that the operator wants to end, and a muted Writer shows no more of it.
func TestInterjectionsComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dst := &stuckWriter{open: make(chan struct{})}
		w := NewWriter(dst)
		released := 0
		flood := func() {
			err := w.output(func(b *bufio.Writer) error {
				_, err := b.WriteString(strings.Repeat("x", writeBufferSize) + "\n")
				return err
			}, func() { released++ })
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 1000 {
			flood()
		}
		synctest.Wait()
		w.Interject("Stopping remote commands\n")
		w.Mute()
		flood()
		if err := w.line([]byte("summary\n")); err != nil {
			t.Fatal(err)
		}
		close(dst.open)
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if released != 1001 {
			t.Errorf("got %d released, want all 1001", released)
		}
		lines := strings.Split(strings.TrimSuffix(dst.String(), "\n"), "\n")
		if n := len(lines); n < 2 || n > 5 || lines[n-2] != "Stopping remote commands" || lines[n-1] != "summary" {
			t.Errorf("got %d lines that end with %.40q", n, lines[max(0, n-2):])
		}
	})
}

func TestWriterNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dst := &stuckWriter{open: make(chan struct{})}
		w := NewWriter(dst)
		released := 0
		for range 1000 {
			err := w.queue(func(b *bufio.Writer) error {
				_, err := b.WriteString(strings.Repeat("x", 1000) + "\n")
				return err
			}, func() { released++ })
			if err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		// The buffer of the Writer takes some before the destination is asked.
		if limit := writeBufferSize/1001 + 1; released > limit {
			t.Errorf("got %d released before anything was written, want at most %d", released, limit)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close of a stuck Writer: got %v, want %v", err, context.DeadlineExceeded)
		}
		close(dst.open)
		synctest.Wait()
		if released != 1000 {
			t.Errorf("got %d released, want 1000", released)
		}
		if err := w.Close(t.Context()); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if got := len(dst.String()); got != 1001*1000 {
			t.Errorf("got %d bytes, want %d", got, 1001*1000)
		}
	})
}

func TestWriterPairKeepsOrder(t *testing.T) {
	var dst shared
	out, errs := NewWriterPair(&dst, &dst)
	var want strings.Builder
	for i := range 200 {
		line := strings.Repeat("o", i) + "\n"
		w := out
		if i%3 == 0 {
			w, line = errs, strings.Repeat("e", i)+"\n"
		}
		if _, err := w.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		want.WriteString(line)
	}
	closeWriters(t, out, errs)
	if got := dst.text(); got != want.String() {
		t.Errorf("got %q, want %q", got, want.String())
	}
}

func TestWriterCopies(t *testing.T) {
	var dst screen
	w := NewWriter(&dst)
	p := []byte("first")
	if _, err := w.Write(p); err != nil {
		t.Fatal(err)
	}
	copy(p, "xxxxx")
	closeWriters(t, w)
	if got, want := dst.String(), "first"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWriterUnused(t *testing.T) {
	w := NewWriter(&screen{})
	if err := w.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := w.Write([]byte("late")); !errors.Is(err, errWriterClosed) {
		t.Errorf("Write after Close: got %v, want %v", err, errWriterClosed)
	}
}

func TestWriterClosedPipe(t *testing.T) {
	r, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pipe.Close() }()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	var other screen
	w, stderr := NewWriterPair(pipe, &other)
	if err := w.text([]byte("gone\n")); err != nil {
		t.Fatal(err)
	}
	<-w.Failed()
	if err := w.Err(); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Err: got %v, want %v", err, syscall.EPIPE)
	}
	released := false
	if err := w.queue(nil, func() { released = true }); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("queue: got %v, want %v", err, syscall.EPIPE)
	}
	if !released {
		t.Error("what was refused was not released")
	}
	if err := stderr.text([]byte("still here\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Close: got %v, want %v", err, syscall.EPIPE)
	}
	closeWriters(t, stderr)
	if got, want := other.String(), "still here\n"; got != want {
		t.Errorf("stderr: got %q, want %q", got, want)
	}
}

// TestWriterFrame checks that a frame is taken away in the same write that
// brings output, is drawn again below it, and not behind an incomplete line.
func TestWriterFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dst shared
		out, errs := NewWriterPair(&dst, &dst)
		step := func(f func() error) {
			t.Helper()
			if err := f(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		step(func() error { errs.show("50%"); return nil })
		step(func() error { errs.show("50%"); return nil })
		step(func() error { return errs.text([]byte("warning\n")) })
		step(func() error { return out.text([]byte("half")) })
		step(func() error { errs.show("60%"); return nil })
		step(func() error { return out.text([]byte(" line\n")) })
		step(func() error { errs.show(""); return nil })
		closeWriters(t, out, errs)
		want := []string{
			"\r50%\x1b[K",
			eraseLine + "warning\n", "\r50%\x1b[K",
			eraseLine, "half",
			" line\n", "\r60%\x1b[K",
			eraseLine,
		}
		if got := dst.list(); !slices.Equal(got, want) {
			t.Errorf("got writes\n%q, want\n%q", got, want)
		}
	})
}

func TestPoolSpills(t *testing.T) {
	p := newPool(100_000)
	var buffers []*buffer
	var want [][]byte
	for i := range 20 {
		b := p.buffer()
		var text []byte
		for n := range 40 {
			part := bytes.Repeat([]byte{byte('a' + i)}, 1+i*n*7)
			if n%10 == 9 {
				part = bytes.Repeat(part[:1], spillBlock/3+n) // as of a host that sends much
			}
			if err := b.write(part); err != nil {
				t.Fatal(err)
			}
			text = append(text, part...)
		}
		buffers, want = append(buffers, b), append(want, text)
		if p.used > p.limit {
			t.Fatalf("got %d bytes in memory, want at most %d", p.used, p.limit)
		}
	}
	if p.file == nil {
		t.Fatal("nothing went to the file")
	}
	if _, err := os.Stat(p.file.Name()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary file has a name: %v", err)
	}
	info, err := p.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode of the temporary file: got %o, want 600", got)
	}
	for i, b := range buffers {
		var got bytes.Buffer
		if err := b.copyTo(&got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want[i]) || b.size != int64(len(want[i])) {
			t.Errorf("buffer %d: got %d bytes (size %d), want %d", i, got.Len(), b.size, len(want[i]))
		}
	}
	blocks := p.blocks
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, b := range buffers {
		if p.file == nil {
			t.Fatal("the file was closed while in use")
		}
		b.free()
	}
	if p.used != 0 || p.live != 0 || p.file != nil {
		t.Errorf("after free: got %d bytes, %d of %d blocks, file %v, want nothing", p.used, p.live, blocks, p.file)
	}
}

func TestPoolReusesBlocks(t *testing.T) {
	p := newPool(0)
	defer func() { _ = p.Close() }()
	for range 50 {
		b := p.buffer()
		if err := b.write(make([]byte, 3*spillBlock)); err != nil {
			t.Fatal(err)
		}
		b.free()
	}
	if p.blocks != 3 {
		t.Errorf("got a file of %d blocks, want 3", p.blocks)
	}
}

// TestPoolReusesMemory: a long line goes to the file in whole blocks, out of the
// same memory again and again.
func TestPoolReusesMemory(t *testing.T) {
	p := newPool(spillLimit)
	defer func() { _ = p.Close() }()
	b := p.buffer()
	part := bytes.Repeat([]byte("long "), 2000)
	allocations := testing.AllocsPerRun(1, func() {
		for range 10_000 {
			if err := b.write(part); err != nil {
				t.Fatal(err)
			}
		}
	})
	if p.used != spillBlock || b.fill != spillBlock || len(b.mem) == 0 {
		t.Errorf("got %d bytes in memory and %d in the last block, want %d in both", p.used, b.fill, spillBlock)
	}
	// Those of the list of blocks, which doubles.
	if allocations > 100 {
		t.Errorf("got %v allocations, want few", allocations)
	}
	b.free()
	if p.used != 0 || p.live != 0 {
		t.Errorf("after free: got %d bytes and %d blocks, want none", p.used, p.live)
	}
}

func TestPoolWithoutTempDir(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/missing")
	b := newPool(0).buffer()
	if err := b.write([]byte("x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want %v", err, os.ErrNotExist)
	}
	b.free()
}
