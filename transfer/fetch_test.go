package transfer_test

import (
	"os"
	"path/filepath"
	"testing"

	"tutti/fanout"
	"tutti/transfer"
)

// fetch brings sources into dir in one attempt. change may change how.
func (b *bench) fetch(tb testing.TB, w way, dir string, change func(*transfer.Fetch), sources ...string) *moved {
	tb.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	f := &transfer.Fetch{Sources: sources, Open: w.open, Root: root, Names: []string{"web01"}}
	if change != nil {
		change(f)
	}
	return b.move(tb.Context(), f)
}

func trees(f *transfer.Fetch) { f.Trees = true }
func force(f *transfer.Fetch) { f.Force = true }

func TestFetchOfFiles(t *testing.T) {
	bothWays(t, func(t *testing.T, w way) {
		b, dir := newBench(t, nil), t.TempDir()
		content := pattern(200_000)
		write(t, b.home, "log/a.log", content)
		write(t, b.home, "log/-b\nc.log", "odd")
		write(t, b.home, "log/other", "x")
		b.fetch(t, w, dir, nil, "log/*.log", "~/log/other").want(t, fanout.OK, "sent log/a.log", "sent log/-b\nc.log", "sent log/other")
		wantFile(t, filepath.Join(dir, "web01/a.log"), content)
		wantFile(t, filepath.Join(dir, "web01/%2Db%0Ac.log"), "odd")
		wantPerm(t, filepath.Join(dir, "web01/a.log"), 0o600)
		wantNames(t, dir, "web01/", "web01/a.log", "web01/%2Db%0Ac.log", "web01/other")

		// Nothing is replaced without force; what is the same is left alone.
		write(t, b.home, "log/other", "y")
		b.fetch(t, w, dir, nil, "log/a.log", "log/other").want(t, fanout.Failed, "unchanged log/a.log", "failed log/other")
		wantFile(t, filepath.Join(dir, "web01/other"), "x")
		b.fetch(t, w, dir, force, "log/other").want(t, fanout.OK, "sent log/other")
		wantFile(t, filepath.Join(dir, "web01/other"), "y")

		last := func(f *transfer.Fetch) { f.Last, f.Force = 5, true }
		b.fetch(t, w, dir, last, "log/a.log").want(t, fanout.OK, "sent log/a.log")
		wantFile(t, filepath.Join(dir, "web01/a.log"), content[len(content)-5:])
		wantNames(t, dir, "web01/", "web01/a.log", "web01/%2Db%0Ac.log", "web01/other")
	})
}

func TestFetchOfATree(t *testing.T) {
	bothWays(t, func(t *testing.T, w way) {
		b, dir := newBench(t, nil), t.TempDir()
		write(t, b.home, "site/.htaccess", "secret")
		write(t, b.home, "site/sub/A", "upper")
		write(t, b.home, "site/sub/a", "lower")
		for name, text := range map[string]string{"in": "sub/A", "out": "/etc/passwd", "up": "sub/../../../x"} {
			if err := os.Symlink(text, filepath.Join(b.home, "site", name)); err != nil {
				t.Fatal(err)
			}
		}
		b.fetch(t, w, dir, nil, "site").want(t, fanout.Failed, "failed site")
		b.fetch(t, w, dir, trees, "site/").want(t, fanout.OK, "sent site/.htaccess", "sent site/sub/A", "sent site/sub/a",
			"sent site/in", "skipped site/out", "skipped site/up")
		wantNames(t, dir, "web01/", "web01/site/", "web01/site/.htaccess", "web01/site/sub/", "web01/site/in",
			"web01/site/sub/"+first(t, dir), "web01/site/sub/"+second(first(t, dir)))
		b.fetch(t, w, dir, trees, "site").want(t, fanout.OK, "unchanged site/.htaccess", "unchanged site/sub/A", "unchanged site/sub/a",
			"unchanged site/in", "skipped site/out", "skipped site/up")
	})
}

// first is which of two names that differ by case was listed first, and so has its own.
func first(tb testing.TB, dir string) string {
	tb.Helper()
	if _, err := os.Stat(filepath.Join(dir, "web01/site/sub/A")); err == nil {
		return "A"
	}
	return "a"
}

func second(first string) string {
	if first == "A" {
		return "a~2"
	}
	return "A~2"
}

// The files of /proc have no size, and a log grows.
func TestFetchOfFilesWithoutASize(t *testing.T) {
	bothWays(t, func(t *testing.T, w way) {
		b, dir := newBench(t, nil), t.TempDir()
		b.fetch(t, w, dir, nil, "/proc/version").want(t, fanout.OK, "sent /proc/version")
		want, err := os.ReadFile("/proc/version")
		if err != nil {
			t.Fatal(err)
		}
		wantFile(t, filepath.Join(dir, "web01/version"), string(want))
		b.fetch(t, w, dir, nil, "/proc/version").want(t, fanout.OK, "unchanged /proc/version")
	})
}

func TestFetchThatCannotBe(t *testing.T) {
	bothWays(t, func(t *testing.T, w way) {
		b, dir := newBench(t, nil), t.TempDir()
		write(t, b.home, "f", "x")
		if err := os.MkdirAll(filepath.Join(dir, "web01/f"), 0o755); err != nil {
			t.Fatal(err)
		}
		b.fetch(t, w, dir, force, "missing", "no*match", "/dev/null", "f").want(t, fanout.Failed,
			"failed missing", "failed no*match", "skipped /dev/null", "failed f")
		wantNames(t, dir, "web01/", "web01/f/")
	})
}

// A directory for a host that leads out of DIR is not used.
func TestFetchDoesNotLeaveItsDirectory(t *testing.T) {
	b, dir, out := newBench(t, nil), t.TempDir(), t.TempDir()
	write(t, b.home, "f", "x")
	if err := os.Symlink(out, filepath.Join(dir, "web01")); err != nil {
		t.Fatal(err)
	}
	r := b.fetch(t, ways[0], dir, nil, "f")
	if r.Failure == nil || r.Failure.Op != fanout.OpLocal {
		t.Errorf("got %+v, want a local failure", r.Report)
	}
	wantNames(t, out)
}
