package transfer_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/transfer"
)

func TestCopyOfAFile(t *testing.T) {
	bothWays(t, func(t *testing.T, w way) {
		b := newBench(t, nil)
		content := pattern(300_000)
		src := write(t, t.TempDir(), "app.conf", content)
		b.copy(t, w, "app.conf", nil, src).want(t, fanout.OK, "sent app.conf")
		wantFile(t, filepath.Join(b.home, "app.conf"), content)
		b.copy(t, w, "app.conf", nil, src).want(t, fanout.OK, "unchanged app.conf")

		write(t, b.home, "app.conf", "old")
		if err := os.Chmod(filepath.Join(b.home, "app.conf"), 0o600); err != nil {
			t.Fatal(err)
		}
		b.copy(t, w, "./", nil, src).want(t, fanout.OK, "sent app.conf")
		wantFile(t, filepath.Join(b.home, "app.conf"), content)
		wantPerm(t, filepath.Join(b.home, "app.conf"), 0o600) // that of the file that was there
		wantNames(t, b.home, "app.conf")
	})
}

func wantPerm(tb testing.TB, file string, want fs.FileMode) {
	tb.Helper()
	info, err := os.Lstat(file)
	if err != nil || info.Mode().Perm() != want {
		tb.Errorf("%s: got %v, %v, want %v", file, info.Mode(), err, want)
	}
}

func TestCopyOfOddFiles(t *testing.T) {
	bothWays(t, func(t *testing.T, w way) {
		b := newBench(t, nil)
		dir := t.TempDir()
		names := []string{"-r", "two words", "line\nbreak", `back\slash 'quote" $(x)`, "ünï", "empty"}
		var sources, said []string
		for _, name := range names {
			content := "of " + name
			if name == "empty" {
				content = ""
			}
			sources = append(sources, write(t, dir, name, content))
			said = append(said, "sent into/"+name)
		}
		r := b.copy(t, w, "into/", nil, sources...)
		r.want(t, fanout.OK, append(said, "sent into/")...)
		wantNames(t, filepath.Join(b.home, "into"), names...)
		wantFile(t, filepath.Join(b.home, "into", names[3]), "of "+names[3])
		for i := range said {
			said[i] = "unchanged into/" + names[i]
		}
		b.copy(t, w, "into/", nil, sources...).want(t, fanout.OK, said...)
	})
}

func TestCopyKeepsWhatIsAskedFor(t *testing.T) {
	bothWays(t, func(t *testing.T, w way) {
		b := newBench(t, nil)
		src := write(t, t.TempDir(), "f", "new content")
		when := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
		if err := os.Chtimes(src, when, when); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(src, 0o640); err != nil {
			t.Fatal(err)
		}
		write(t, b.home, "f-web01-fra", "old content")
		preserve := func(c *transfer.Copy) { c.Preserve, c.Backup = true, true }
		b.copy(t, w, "f-{host}-{label.dc}", preserve, src).want(t, fanout.OK, "sent f-web01-fra")
		wantNames(t, b.home, "f-web01-fra", "f-web01-fra~")
		wantFile(t, filepath.Join(b.home, "f-web01-fra~"), "old content")
		wantPerm(t, filepath.Join(b.home, "f-web01-fra"), 0o640)
		info, err := os.Stat(filepath.Join(b.home, "f-web01-fra"))
		if err != nil || !info.ModTime().Equal(when) {
			t.Errorf("got %v, %v, want %v", info.ModTime(), err, when)
		}
		perm := fs.FileMode(0o604)
		b.copy(t, w, "f-web01-fra", func(c *transfer.Copy) { c.Perm = &perm }, src).want(t, fanout.OK, "unchanged f-web01-fra")
		wantPerm(t, filepath.Join(b.home, "f-web01-fra"), perm)
	})
}

func TestCopyOfATree(t *testing.T) {
	bothWays(t, func(t *testing.T, w way) {
		b := newBench(t, nil)
		dir := t.TempDir()
		write(t, dir, "site/index.html", "hello")
		write(t, dir, "site/a/b/deep", pattern(70_000))
		if err := os.MkdirAll(filepath.Join(dir, "site/empty"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/nowhere/out", filepath.Join(dir, "site/a/link")); err != nil {
			t.Fatal(err)
		}
		src := filepath.Join(dir, "site")
		look := func(c *transfer.Copy) { c.Look = true }
		b.copy(t, w, "www", look, src).want(t, fanout.OK, "would send www/", "would send www/a/", "would send www/a/b/", "would send www/empty/",
			"would send www/index.html", "would send www/a/b/deep", "would send www/a/link")
		wantNames(t, b.home)
		b.copy(t, w, "www", nil, src).want(t, fanout.OK, "sent www/", "sent www/a/", "sent www/a/b/", "sent www/empty/",
			"sent www/index.html", "sent www/a/b/deep", "sent www/a/link")
		wantNames(t, b.home, "www/", "www/a/", "www/a/b/", "www/empty/", "www/index.html", "www/a/b/deep", "www/a/link")
		if text, err := os.Readlink(filepath.Join(b.home, "www/a/link")); text != "/nowhere/out" {
			t.Errorf("the link says %q, %v", text, err)
		}
		write(t, dir, "site/index.html", "changed")
		// www is a directory now: the tree goes into it.
		b.copy(t, w, "new/www/", nil, src).want(t, fanout.OK, "sent new/www/", "sent new/www/site/", "sent new/www/site/a/", "sent new/www/site/a/b/", "sent new/www/site/empty/",
			"sent new/www/site/index.html", "sent new/www/site/a/b/deep", "sent new/www/site/a/link")
		write(t, dir, "site/index.html", "changed again")
		b.copy(t, w, "new/www", nil, src).want(t, fanout.OK, "sent new/www/site/index.html", "unchanged new/www/site/a/b/deep", "unchanged new/www/site/a/link")
	})
}

func TestCopyThatCannotBe(t *testing.T) {
	bothWays(t, func(t *testing.T, w way) {
		b := newBench(t, nil)
		dir := t.TempDir()
		src := write(t, dir, "f", "content")
		write(t, b.home, "file", "x")
		write(t, b.home, "dir/f/x", "x")
		b.copy(t, w, "nowhere/f", nil, src).want(t, fanout.Failed, "failed nowhere/f")
		b.copy(t, w, "dir/", nil, src).want(t, fanout.Failed, "failed dir/f")
		b.copy(t, w, "file/", nil, src).want(t, fanout.Failed, "tutti: file/: it is a file, not a directory\n")
		b.copy(t, w, "file", nil, src, src).want(t, fanout.Failed, "tutti: file: it is a file, not a directory\n")
		wantNames(t, b.home, "file", "dir/", "dir/f/", "dir/f/x")

		s, err := transfer.ReadSource(src, false)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, "f", "other content")
		r := b.move(t.Context(), &transfer.Copy{Dest: "f", Open: w.open, Sources: []*transfer.Source{s}})
		r.want(t, fanout.Failed, "failed f")
		wantNames(t, b.home, "file", "dir/", "dir/f/", "dir/f/x")
	})
}

func TestSourcesThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", filepath.Join(dir, "missing"), "/dev/null", "/", filepath.Join(dir, "d")} {
		if s, err := transfer.ReadSource(name, name == "/"); err == nil {
			t.Errorf("%q is read as %+v", name, s)
		}
	}
}

// A host without SFTP says so, and one where the connection breaks is lost.
func TestWaysThatAreNotThere(t *testing.T) {
	b := newBench(t, func(h *fleet.Host, _ string) { h.SFTP = nil })
	src := write(t, t.TempDir(), "f", "content")
	r := b.copy(t, ways[0], "f", nil, src)
	r.want(t, fanout.Failed, "tutti: the host has no SFTP that can replace a file in one step\n")
	b.copy(t, ways[1], "f", nil, src).want(t, fanout.OK, "sent f")
}
