package output

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// progressStory begins a run with a Progress of opts on dst.
func progressStory(t *testing.T, opts ProgressOptions, dst *shared, hosts ...string) (*story, *Progress) {
	t.Helper()
	opts.Stderr = NewWriter(dst)
	opts.Fold = foldDigits
	p := NewProgress(opts)
	return newStory(t, p, hosts...), p
}

func TestProgressBar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dst shared
		var width atomic.Int64
		width.Store(80)
		opts := ProgressOptions{Mode: ProgressBar, Width: func() int { return int(width.Load()) }}
		s, p := progressStory(t, opts, &dst, "a", "b", "c", "d")
		s.begin()
		s.start("a")
		s.start("b")
		time.Sleep(950 * time.Millisecond)
		synctest.Wait()
		if got := dst.text(); got != "" {
			t.Errorf("within the first second: got %q, want nothing", got)
		}
		s.finish("a", exited(1))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		last := func() string { return dst.list()[len(dst.list())-1] }
		if got, want := last(), "\r  25% [======>.......................]  1/4, 1 failed, 1 running, 8s left\x1b[K"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		width.Store(20)
		time.Sleep(frameInterval)
		synctest.Wait()
		if got, want := last(), "\r1/4, 1 failed, 1 ru\x1b[K"; got != want {
			t.Errorf("narrow: got %q, want %q", got, want)
		}
		s.end()
		synctest.Wait()
		if got := last(); got != eraseLine {
			t.Errorf("at the end: got %q, want %q", got, eraseLine)
		}
		frames := len(dst.list())
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := dst.list(); len(got) != frames {
			t.Errorf("got %q after the end", got[frames:])
		}
		closeProgress(t, p)
	})
}

// closeProgress closes p twice, and its Writer.
func closeProgress(t *testing.T, p *Progress) {
	t.Helper()
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	closeWriters(t, p.opts.Stderr)
}

func TestProgressLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dst shared
		s, p := progressStory(t, ProgressOptions{Mode: ProgressLines}, &dst, "a", "b", "c", "d", "e")
		s.begin()
		s.start("a")
		s.start("b")
		s.start("c")
		s.finish("a", exited(1))
		s.retry("c", exited(1))
		time.Sleep(75 * time.Second)
		s.finish("b", exited(0))
		closeProgress(t, p)
		want := []string{
			"1 of 5 hosts done, 1 failed, 1 running, 1 waiting for retry, 2 waiting, after 30s\n",
			"1 of 5 hosts done, 1 failed, 1 running, 1 waiting for retry, 2 waiting, after 1m00s\n",
		}
		if got := dst.list(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestProgressStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dst shared
		s, p := progressStory(t, ProgressOptions{}, &dst, "a", "b", "c", "d", "e", "f")
		if got := p.Status(); got != "" {
			t.Errorf("before the run: got %q, want nothing", got)
		}
		s.begin()
		for _, h := range []string{"a", "b", "c", "d"} {
			s.start(h)
		}
		s.finish("a", exited(0))
		s.retry("b", exited(1))
		s.connect("e")
		time.Sleep(90 * time.Second)
		want := "1 of 6 hosts done, 2 running, 1 connecting, 1 waiting for retry, 1 waiting, after 1m30s\n" +
			"  running: [c d]\n  connecting: [e]\n  waiting for retry: [b]\n  waiting: [f]\n"
		if got := p.Status(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		closeProgress(t, p)
		if got := dst.text(); got != "" {
			t.Errorf("without a mode: got %q, want nothing", got)
		}
	})
}

// TestProgressStopsWithoutEnd checks that Close ends the goroutine of a run
// that never finished; synctest fails if it stays.
func TestProgressStopsWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dst shared
		s, p := progressStory(t, ProgressOptions{Mode: ProgressBar}, &dst, "a")
		s.begin()
		time.Sleep(3 * time.Second)
		closeProgress(t, p)
		if got := dst.text(); !strings.HasSuffix(got, eraseLine) {
			t.Errorf("got %q, want the bar to be erased", got)
		}
	})
}

// TestFrameFits checks every width, also those of no terminal.
func TestFrameFits(t *testing.T) {
	for width := range 200 {
		for _, total := range []int{0, 1, 3, 10_000} {
			for _, done := range []int{0, total / 2, total} {
				text := fmt.Sprintf("%d/%d, %d failed", done, total, done)
				got := frame(done, total, text, width)
				if len(got) > max(0, width-1) {
					t.Fatalf("frame(%d of %d, %d columns): got %d: %q", done, total, width, len(got), got)
				}
				if width == 199 && !strings.Contains(got, text) {
					t.Errorf("got %q, want it to contain %q", got, text)
				}
			}
		}
	}
}

// TestProgressNames checks that the hosts are named once the run waits for few:
// those first that it has waited for longest.
func TestProgressNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hosts []string
		for i := range 20 {
			hosts = append(hosts, fmt.Sprintf("h%02d", i))
		}
		var dst shared
		s, p := progressStory(t, ProgressOptions{}, &dst, hosts...)
		s.begin()
		check := func(want string) {
			t.Helper()
			p.mu.Lock()
			defer p.mu.Unlock()
			if got := p.tally.brief(time.Since(p.begun)); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		for _, h := range hosts[:19] {
			s.connect(h)
		}
		check("0/20, 19 connecting")
		p.tally.done, p.tally.skipped = 5, 5
		check("0/20, 5 skipped, 19 connecting")
		p.tally.done, p.tally.skipped = 0, 0
		time.Sleep(5 * time.Second)
		for _, h := range hosts[1:19] {
			s.start(h)
		}
		for _, h := range hosts[3:19] {
			s.finish(h, exited(0))
		}
		check("16/20, 2 running, 1 connecting, 3/s, 1s left")
		time.Sleep(15 * time.Second)
		s.connect("h19")
		s.finish("h01", exited(1))
		s.start("h19")
		time.Sleep(70 * time.Second)
		check("17/20, 1 failed, waiting for h00 (connecting) 1m30s, h02 1m25s, h19 1m10s")
		s.finish("h00", exited(0))
		s.retry("h02", exited(1))
		time.Sleep(time.Second)
		check("18/20, 1 failed, waiting for h19 1m11s, h02 (waiting for retry) 1s")
		want := "18 of 20 hosts done, 1 failed, 1 running, 1 waiting for retry, after 1m31s: h19 1m11s, h02 (waiting for retry) 1s\n" +
			"  running: [h19]\n  waiting for retry: [h02]\n"
		if got := p.Status(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		s.finish("h19", exited(0))
		s.finish("h02", exited(0))
		check("20/20, 1 failed")
		closeProgress(t, p)
	})
}

// TestStatusIsBounded checks that a status stays a few lines, however many hosts
// there are and however little their names have in common.
func TestStatusIsBounded(t *testing.T) {
	var hosts []string
	for i := range 10_000 {
		hosts = append(hosts, fmt.Sprintf("%x.example.com", uint32(i)*2654435761))
	}
	w := NewWriter(&screen{})
	p := NewProgress(ProgressOptions{Stderr: w})
	s := newStory(t, p, hosts...)
	s.begin()
	for i, h := range hosts[:6000] {
		s.connect(h)
		if i%2 == 0 {
			s.start(h)
		}
	}
	got := p.Status()
	if lines := strings.Count(got, "\n"); lines != 4 || len(got) > 3*(maxNames+100) {
		t.Errorf("got %d lines in %d bytes:\n%s", lines, len(got), got)
	}
	if !strings.Contains(got, "3000 running, 3000 connecting, 4000 waiting") || strings.Count(got, " more\n") != 3 {
		t.Errorf("got\n%s", got)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	closeWriters(t, w)
}

func TestRateText(t *testing.T) {
	for _, tt := range []struct {
		n    int
		d    time.Duration
		want string
	}{
		{100, 10 * time.Second, "10/s"},
		{10, 0, "10000/s"},
		{10, 10 * time.Second, "1/s"},
		{10, 40 * time.Second, "15/min"},
	} {
		if got := rateText(tt.n, tt.d); got != tt.want {
			t.Errorf("%d in %v: got %q, want %q", tt.n, tt.d, got, tt.want)
		}
	}
}

// TestProgressHidden checks that nothing is drawn on a terminal that another process
// group has, and that the bar comes back with it.
func TestProgressHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dst shared
		var hidden atomic.Bool
		hidden.Store(true)
		s, p := progressStory(t, ProgressOptions{Mode: ProgressBar, Hidden: hidden.Load}, &dst, "a", "b")
		s.begin()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if got := dst.text(); got != "" {
			t.Errorf("in the background: got %q, want nothing", got)
		}
		hidden.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := dst.text(); !strings.Contains(got, "0/2") {
			t.Errorf("in the foreground: got %q, want a bar", got)
		}
		hidden.Store(true)
		frames := len(dst.list())
		time.Sleep(time.Second)
		s.finish("a", exited(0))
		_ = p.opts.Stderr.line([]byte("a line\n"))
		synctest.Wait()
		if got := dst.list()[frames:]; !slices.Equal(got, []string{"a line\n"}) {
			t.Errorf("in the background again: got %q, want only what had to be said", got)
		}
		closeProgress(t, p)
	})
}
