package safefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// stranger is a user id that is neither this user's nor root's.
const stranger = 4242

// TestResolve: as filepath.EvalSymlinks, which follows every link.
func TestResolve(t *testing.T) {
	dir := must(filepath.EvalSymlinks(t.TempDir()))(t)
	check(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o700))
	check(t, os.WriteFile(filepath.Join(dir, "a/b/file"), nil, 0o600))
	for link, to := range map[string]string{
		"rel": "a/b", "abs": dir + "/a", "up": "a/b/../b/./file", "slash": "a//b/", "two": "rel/file", "root": "/",
		"loop": "loop", "dangling": "nowhere", "a/back": "..", "file": "a/b/file",
	} {
		check(t, os.Symlink(to, filepath.Join(dir, link)))
	}
	t.Chdir(dir)
	for _, path := range []string{
		"/", ".", "a", "a/", "./a", "a/b/file", "rel", "rel/file", "rel/../b/file", "abs/b", "up", "slash/file", "two", "root",
		"a/back/a/b", "loop", "loop/x", "dangling", "nowhere", "nowhere/x", "a/b/file/x", "file", dir, dir + "//a/./b", dir + "/abs/b/file", "..",
	} {
		want, wantErr := filepath.EvalSymlinks(path)
		got, err := Resolve(path)
		if (err == nil) != (wantErr == nil) || err == nil && got != want {
			t.Errorf("%s: got %q, %v, want %q, %v", path, got, err, want, wantErr)
		}
		if errors.Is(err, fs.ErrNotExist) != errors.Is(wantErr, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want %v", path, err, wantErr)
		}
	}
}

func must(s string, err error) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		check(t, err)
		return s
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLinksOfOthers: root follows no link of another user to what is not that
// user's own, and in a directory such as /tmp none at all.
func TestLinksOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can make files of others")
		return
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	own := func(name string) { check(t, os.Lchown(at(name), stranger, stranger)) }
	for _, d := range []string{"home", "home/dir", "tmp", "tmp/his"} {
		check(t, os.Mkdir(at(d), 0o755))
		if d != "tmp" {
			own(d)
		}
	}
	check(t, os.Chmod(at("tmp"), 0o777|fs.ModeSticky))
	check(t, os.WriteFile(at("roots"), []byte("root's"), 0o600))
	check(t, os.WriteFile(at("home/file"), []byte("his"), 0o600))
	own("home/file")
	for link, to := range map[string]string{
		"home/link": "../roots", "home/fine": "file", "home/sub": "dir", "home/up": "..", "home/fd": "/proc/self",
		"tmp/link": "../roots", "tmp/file": "../home/file", "tmp/dir": "../home/dir",
	} {
		check(t, os.Symlink(to, at(link)))
		own(link)
	}
	check(t, os.Symlink("../roots", at("tmp/mine")))
	for _, tt := range []struct {
		path    string
		refused bool
	}{
		{"home/link", true},
		{"home/fine", false},
		{"home/sub/new", false},
		{"home/up/roots", true},
		{"home/up/new", true},
		{"tmp/link", true},
		{"tmp/file", true},
		{"tmp/dir/new", true},
		{"tmp/mine", false},
		{"tmp/his/new", false},
	} {
		err := Replace(at(tt.path), writeText("new"))
		_, isLink := errors.AsType[*LinkError](err)
		if isLink != tt.refused || !tt.refused && err != nil {
			t.Errorf("%s: got %v, want refused: %t", tt.path, err, tt.refused)
		}
		if tt.refused {
			for what, err := range map[string]error{"Create": closing(Create(at(tt.path))), "OpenOwn": closing(OpenOwn(at(tt.path), stranger, stranger))} {
				if err == nil {
					t.Errorf("%s %s: got no error", what, tt.path)
				}
			}
		}
	}
	if got, _ := os.ReadFile(at("roots")); string(got) != "new" { // by the link that is root's
		t.Errorf("got %q", got)
	}
}

func closing(f *os.File, err error) error {
	if err == nil {
		err = f.Close()
	}
	return err
}

// TestOpenOwn: what stands in the place of tutti's own file is neither opened nor given
// away, whatever it is.
func TestOpenOwn(t *testing.T) {
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = stranger, stranger
	}
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	check(t, os.WriteFile(victim, nil, 0o600))
	for name, put := range map[string]func(path string) error{
		"link":      func(path string) error { return os.Symlink(victim, path) },
		"dangling":  func(path string) error { return os.Symlink("nowhere", path) },
		"hard link": func(path string) error { return os.Link(victim, path) },
		"pipe":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		path := filepath.Join(t.TempDir(), "h.lock")
		check(t, put(path))
		for what, err := range map[string]error{
			"OpenOwn": closing(OpenOwn(path, uid, gid)), "ReadOwn": closing(ReadOwn(path, uid)), "CheckOwn": CheckOwn(path, uid),
		} {
			if err == nil && (name != "dangling" || what == "OpenOwn") {
				t.Errorf("%s, %s: got no error", name, what)
			}
		}
	}
	if owner := ownerOf(t, victim); owner != os.Geteuid() {
		t.Errorf("the victim belongs to %d", owner)
	}
	if _, err := os.Lstat(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a file was made where a link leads to")
	}
	made := filepath.Join(dir, "made")
	for range 2 { // it is made, and opened again
		check(t, closing(OpenOwn(made, uid, gid)))
		if owner := ownerOf(t, made); owner != uid {
			t.Errorf("got a file of %d, want one of %d", owner, uid)
		}
	}
	check(t, closing(ReadOwn(made, uid)))
	if err := closing(ReadOwn(filepath.Join(dir, "none"), uid)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
}

func ownerOf(t *testing.T, path string) int {
	t.Helper()
	var st unix.Stat_t
	check(t, unix.Lstat(path, &st))
	return int(st.Uid)
}

// TestOpenDir makes what is missing, and goes where own links lead.
func TestOpenDir(t *testing.T) {
	dir := t.TempDir()
	check(t, os.Mkdir(filepath.Join(dir, "a"), 0o700))
	check(t, os.Symlink("a", filepath.Join(dir, "link")))
	for _, path := range []string{"link/new/deep", "a/new/deep/", "a/new/deep"} {
		root, err := OpenDir(filepath.Join(dir, path))
		check(t, err)
		check(t, errors.Join(root.WriteFile("file", nil, 0o600), root.Close()))
	}
	if _, err := os.Stat(filepath.Join(dir, "a/new/deep/file")); err != nil {
		t.Error(err)
	}
	check(t, os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	for _, path := range []string{"a/new/deep/file", "dangling", "dangling/new"} {
		if _, err := OpenDir(filepath.Join(dir, path)); err == nil {
			t.Errorf("%s: got no error", path)
		}
	}
}

// TestRemovedWorkingDirectory: an absolute path does not need it.
func TestRemovedWorkingDirectory(t *testing.T) {
	dir, gone := t.TempDir(), filepath.Join(t.TempDir(), "gone")
	check(t, os.Mkdir(gone, 0o700))
	t.Chdir(gone)
	check(t, os.Remove(gone))
	path := filepath.Join(dir, "new/file")
	_, err := MkdirAll(filepath.Dir(path))
	check(t, errors.Join(err, Replace(path, writeText("x"))))
	if err := Replace("file", writeText("x")); err == nil || strings.Contains(err.Error(), "panic") {
		t.Errorf("got %v, want an error", err)
	}
}
