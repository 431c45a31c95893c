package safefile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(path("old"), []byte("old"), 0o640))
	must(os.Symlink("old", path("link")))
	must(os.Symlink("nowhere", path("dangling")))
	must(os.Mkdir(path("dir"), 0o700))
	text := func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }
	tests := []struct {
		name string
		file string // that has the new text; empty: refused
		mode fs.FileMode
	}{
		{"fresh", "fresh", 0o600},
		{"link", "old", 0o640},
		{"dangling", "", 0},
		{"dir", "", 0},
		{"no/such/dir", "", 0},
		{"/dev/null", "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := path(tt.name)
			if filepath.IsAbs(tt.name) {
				file = tt.name
			}
			checked, err := CheckReplace(file), Replace(file, text)
			if (checked == nil) != (tt.file != "") || (err == nil) != (tt.file != "") {
				t.Fatalf("got %v when checked and %v when written, want refused: %t", checked, err, tt.file == "")
			}
			if tt.file == "" {
				return
			}
			if data, err := os.ReadFile(path(tt.file)); err != nil || string(data) != "new" {
				t.Errorf("got %q, %v", data, err)
			}
			if info, err := os.Stat(path(tt.file)); err != nil || info.Mode().Perm() != tt.mode {
				t.Errorf("got %v, %v, want mode %v", info, err, tt.mode)
			}
		})
	}
	broken := errors.New("broken")
	if err := Replace(path("fresh"), func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if data, _ := os.ReadFile(path("fresh")); string(data) != "new" {
		t.Errorf("after an error: got %q, want what was there before", data)
	}
	entries, err := os.ReadDir(dir)
	must(err)
	if len(entries) != 5 {
		t.Errorf("got %v, want nothing left behind", entries)
	}
}

func writeText(text string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

// TestReplaceWritesToStreams: to what cannot be replaced, such as the process's own
// standard output, also where a link leads there.
func TestReplaceWritesToStreams(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if err := CheckReplace(inherit(t, w, false)); err == nil {
		t.Error("a descriptor that was not inherited: got no error")
	}
	own := inherit(t, w, true)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(own, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{own, link} {
		if err := errors.Join(CheckReplace(path), Replace(path, writeText("a"))); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	// A file that stdout was redirected to is continued, not overwritten.
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("before "); err != nil {
		t.Fatal(err)
	}
	if err := Replace(inherit(t, f, true), writeText("after")); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(f.Name()); string(got) != "before after" {
		t.Errorf("got %q", got)
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(r); string(got) != "aa" {
		t.Errorf("got %q in the pipe, want aa", got)
	}
	if err := Replace(inherit(t, r, true), writeText("x")); err == nil {
		t.Error("a descriptor that is open for reading: got no error")
	}
}

// inherit is the path of f as if this process had been started with it.
func inherit(t *testing.T, f *os.File, really bool) string {
	t.Helper()
	if really {
		if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil {
			t.Fatal(err)
		}
	}
	return "/dev/fd/" + strconv.Itoa(int(f.Fd()))
}

// TestReplaceWritesToAPipe: a pipe without a reader is refused at once.
func TestReplaceWritesToAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, writeText("x")); err == nil || !strings.Contains(err.Error(), "without a reader") {
		t.Errorf("got %v, want no reader", err)
	}
	reader, err := os.OpenFile(path, os.O_RDWR, 0) // does not wait for a writer
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	if err := errors.Join(CheckReplace(path), Replace(path, writeText("x"))); err != nil {
		t.Fatal(err)
	}
	if got := make([]byte, 1); readByte(reader, got) != nil || string(got) != "x" {
		t.Errorf("got %q", got)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeNamedPipe {
		t.Errorf("got %v, %v, want the pipe still", info, err)
	}
}

func readByte(f *os.File, b []byte) error { _, err := io.ReadFull(f, b); return err }

// TestRewrite: a file that is a mount keeps its inode and gets the new content.
func TestRewrite(t *testing.T) {
	for _, tt := range []struct{ old, new string }{
		{"one\n", "one\ntwo\n"}, {"one\ntwo\n", "one\n"}, {"one\ntwo\n", "two\n"}, {"", "x"}, {"x", ""},
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(tt.old), 0o600); err != nil {
			t.Fatal(err)
		}
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Find(path)
		if err != nil {
			t.Fatal(err)
		}
		err = p.rewriteBy(writeText(tt.new))
		p.Close()
		after, _ := os.Stat(path)
		if got, _ := os.ReadFile(path); err != nil || string(got) != tt.new || !os.SameFile(before, after) {
			t.Errorf("%q to %q: got %q, %v, the same file: %t", tt.old, tt.new, got, err, os.SameFile(before, after))
		}
	}
}

// TestReplaceAMount: rename is refused there.
func TestReplaceAMount(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can mount")
		return
	}
	dir := t.TempDir()
	path, there := filepath.Join(dir, "there"), filepath.Join(dir, "mounted")
	for _, p := range []string{path, there} {
		if err := os.WriteFile(p, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := bindMount(there, path); err != nil {
		t.Log("no mounts here:", err)
		return
	}
	t.Cleanup(func() { _ = unmount(path) })
	if err := errors.Join(CheckReplace(path), Replace(path, writeText("new, and longer"))); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(there); string(got) != "new, and longer" {
		t.Errorf("got %q in the file that is mounted", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("got %v, want nothing left behind", entries)
	}
}
