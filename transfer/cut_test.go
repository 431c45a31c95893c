package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/transfer"
	"tutti/transfer/sftp"
)

// A cutter ends the connection of its host once the host has read so many bytes of what
// is sent to it; negative: never.
type cutter struct {
	left    atomic.Int64
	fleet   *fleet.Fleet
	next    fleet.Handler
	running sync.RWMutex // read-locked by what may still be at work on the host
}

func (c *cutter) Run(s *fleet.Session) fleet.Exit {
	c.running.RLock()
	defer c.running.RUnlock()
	from := s.Stdin
	s.Stdin = readerFunc(func(p []byte) (int, error) {
		left := c.left.Load()
		if left == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		if left > 0 {
			p = p[:min(int64(len(p)), left)]
		}
		n, err := from.Read(p)
		if left > 0 && c.left.Add(-int64(n)) == 0 {
			c.fleet.Cut("web01", fleet.Reset)
		}
		return n, err
	})
	return c.next.Run(s)
}

// idle waits until nothing is at work on the host.
func (c *cutter) idle() {
	c.running.Lock()
	defer c.running.Unlock()
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A connection that breaks at any moment of a copy leaves the old file or the new one,
// and the next copy leaves no temporary file.
func TestCopyThatIsCut(t *testing.T) {
	bothWays(t, func(t *testing.T, w way) {
		cut := &cutter{}
		b := newBench(t, func(h *fleet.Host, home string) {
			cut.next = fleet.SFTP(home)
			if w.name == "shell" {
				cut.next = fleet.Shell(home)
				h.Exec = cut
				return
			}
			h.SFTP = cut
		})
		cut.fleet = b.fleet
		size := 40_000
		if w.name == "shell" {
			size = 12_000 // each cut costs it more time
		}
		old, content := pattern(size/2), "new\n"+pattern(size)
		src := write(t, t.TempDir(), "f", content)
		dir := filepath.Join(b.home, "d")
		lost := 0
		for at := int64(1); ; at += 1000 {
			write(t, dir, "f", old)
			cut.left.Store(at)
			r := b.copy(t, either(w), "d/f", nil, src)
			cut.idle()
			cut.left.Store(-1)
			if got := read(t, filepath.Join(dir, "f")); got != old && got != content {
				t.Fatalf("cut after %d bytes: the file has %d bytes and is neither", at, len(got))
			}
			if r.Outcome() == fanout.OK {
				wantFile(t, filepath.Join(dir, "f"), content)
				break
			}
			if r.Outcome() != fanout.Lost {
				t.Fatalf("cut after %d bytes: got %s, %+v", at, r.Outcome(), r.Failure)
			}
			lost++
			if r := b.copy(t, w, "d/f", nil, src); r.Outcome() != fanout.OK {
				t.Fatalf("after a cut after %d bytes: %s, %+v, %s", at, r.Outcome(), r.Failure, r.stderr.String())
			}
			wantFile(t, filepath.Join(dir, "f"), content)
			if names := namesIn(t, dir); names != "f" {
				t.Fatalf("after a cut after %d bytes the next copy leaves %s", at, names)
			}
		}
		if lost < size/1000 {
			t.Errorf("only %d of the copies were cut", lost)
		}
	})
}

// either is w, or the shell where there is no SFTP, or no connection any more.
func either(w way) way {
	return way{w.name, func(ctx context.Context, host fanout.Sessions) (transfer.Remote, error) {
		r, err := w.open(ctx, host)
		if errors.Is(err, sftp.ErrUnsuitable) {
			return byShell(ctx, host)
		}
		return r, err
	}}
}

func read(tb testing.TB, file string) string {
	tb.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return string(content)
}

func namesIn(tb testing.TB, dir string) string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return strings.Join(names, " ")
}

// A host that goes away while files come leaves whole files, and no others.
func TestFetchThatIsCut(t *testing.T) {
	b := newBench(t, nil)
	content := pattern(300_000)
	write(t, b.home, "f", content)
	for at := int64(2_000); ; at += 40_000 {
		dir := t.TempDir()
		b.fleet.SetFaults("web01", fleet.Faults{Cut: &fleet.Cut{After: at, FromExec: true}})
		r := b.fetch(t, ways[0], dir, nil, "f")
		if r.Outcome() == fanout.OK {
			wantFile(t, filepath.Join(dir, "web01/f"), content)
			return
		}
		if r.Outcome() != fanout.Lost {
			t.Fatalf("cut after %d bytes: got %s, %+v", at, r.Outcome(), r.Failure)
		}
		wantNames(t, dir, "web01/")
		if at > 2_000_000 {
			t.Fatal(fmt.Errorf("it never ends"))
		}
	}
}
