package output

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tutti/fanout"
)

// newDir makes a Dir for the hosts of a story in a fresh directory.
func newDir(tb testing.TB, hosts ...string) (string, *Dir, *story) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "deep", "results")
	s := newStory(tb, nil, hosts...)
	d, err := NewDir(path, s.plan.Targets)
	if err != nil {
		tb.Fatal(err)
	}
	s.sink = d
	return path, d, s
}

// filesIn is what is in a directory, by name.
func filesIn(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			tb.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

func TestDir(t *testing.T) {
	const hostile = "\x1b[2J\r\n\x00\xff no end"
	path, d, s := newDir(t, "web1", "web2", "db1", "old1")
	s.begin()
	s.start("web1")
	s.start("web2")
	s.out("web1", hostile)
	s.out("web2", "first attempt, and longer")
	s.err("web2", "first attempt")
	s.retry("web2", stopped(fanout.OpConnection, fanout.RemoteEnded))
	s.start("web2")
	s.out("web2", "sec")
	s.out("web2", "ond\n")
	s.finish("web2", exited(0))
	s.finish("web1", exited(3))
	s.finish("db1", unreachable(fanout.OpDial, "refused"))
	s.skip("old1")
	s.end()
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	got := filesIn(t, path)
	for name, want := range map[string]string{"web1.out": hostile, "web1.err": "", "web2.out": "second\n", "web2.err": ""} {
		if text, there := got[name]; !there || text != want {
			t.Errorf("%s: got %q, want %q", name, text, want)
		}
		delete(got, name)
	}
	for name, outcome := range map[string]string{"web1.json": "failed", "web2.json": "ok", "db1.json": "unreachable", "old1.json": "skipped"} {
		var object struct{ Type, Host, Outcome string }
		if err := json.Unmarshal([]byte(got[name]), &object); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if object.Type != "host_finished" || object.Host+resultEnding != name || object.Outcome != outcome {
			t.Errorf("%s: got %+v, want outcome %s", name, object, outcome)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("got %v as well, want nothing else", got)
	}
	checkMode(t, path, 0o700)
	checkMode(t, filepath.Join(path, "web1.out"), 0o600)
}

func checkMode(tb testing.TB, path string, want fs.FileMode) {
	tb.Helper()
	info, err := os.Stat(path)
	if err != nil {
		tb.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		tb.Errorf("%s: got mode %o, want %o", path, got, want)
	}
}

// TestDirKeepsFewFilesOpen writes to many more files in turn than may be open.
func TestDirKeepsFewFilesOpen(t *testing.T) {
	var hosts []string
	for i := range 3 * maxOpenFiles {
		hosts = append(hosts, fmt.Sprintf("h%02d", i))
	}
	path, d, s := newDir(t, hosts...)
	s.begin()
	for _, h := range hosts {
		s.start(h)
	}
	for round := range 3 {
		for _, h := range hosts {
			s.out(h, fmt.Sprintf("%s %d\n", h, round))
		}
	}
	if err := d.queue.queue(nil, func() {
		if n := d.files.used.Len(); n != maxOpenFiles || len(d.files.open) != n {
			t.Errorf("got %d files open, want %d", n, maxOpenFiles)
		}
	}); err != nil {
		t.Fatal(err)
	}
	for _, h := range hosts {
		s.finish(h, exited(0))
	}
	s.end()
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(d.files.begun) + len(d.files.open); n != 0 {
		t.Errorf("got %d files remembered at the end, want none", n)
	}
	got := filesIn(t, path)
	for _, h := range hosts {
		if want := fmt.Sprintf("%[1]s 0\n%[1]s 1\n%[1]s 2\n", h); got[h+outEnding] != want {
			t.Errorf("%s: got %q, want %q", h, got[h+outEnding], want)
		}
	}
}

func TestNewDirRefuses(t *testing.T) {
	targets := []fanout.Target{{Name: "web1"}, {Index: 1, Name: "DB1"}}
	tests := []struct {
		name    string
		prepare func(path string) error
		want    error // nil: taken
	}{
		{"nothing there", func(string) error { return nil }, nil},
		{"an empty directory", func(path string) error { return os.Mkdir(path, 0o755) }, nil},
		{"a link to a directory", func(path string) error { return os.Symlink(t.TempDir(), path) }, nil},
		{"something else in it", func(path string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.WriteFile(filepath.Join(path, "web2.out"), nil, 0o600))
		}, nil},
		{"results in it", func(path string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.WriteFile(filepath.Join(path, "web1.json"), nil, 0o600))
		}, fs.ErrExist},
		{"results in another case", func(path string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.WriteFile(filepath.Join(path, "db1.out"), nil, 0o600))
		}, fs.ErrExist},
		{"a link in it", func(path string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.Symlink("/etc/passwd", filepath.Join(path, "web1.out")))
		}, fs.ErrExist},
		{"a file", func(path string) error { return os.WriteFile(path, nil, 0o600) }, errAny},
		{"a link to nothing", func(path string) error { return os.Symlink("nowhere/at/all", path) }, errAny},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "results")
			if err := tt.prepare(path); err != nil {
				t.Fatal(err)
			}
			d, err := NewDir(path, targets)
			if err == nil {
				if closeErr := d.Close(t.Context()); closeErr != nil {
					t.Error(closeErr)
				}
			}
			if (err == nil) != (tt.want == nil) || (tt.want != nil && !errors.Is(tt.want, errAny) && !errors.Is(err, tt.want)) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

var errAny = errors.New("any error")

// TestDirFollowsNothing replaces a file that was closed for lack of room by a
// link to another one, which must not be written to.
func TestDirFollowsNothing(t *testing.T) {
	var hosts []string
	for i := range maxOpenFiles {
		hosts = append(hosts, fmt.Sprintf("h%02d", i))
	}
	path, d, s := newDir(t, hosts...)
	victim := filepath.Join(path, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.begin()
	for _, h := range hosts {
		s.start(h) // two files each, so that those of h00 are closed
	}
	first := filepath.Join(path, "h00.out")
	if err := d.queue.queue(nil, func() {
		if err := errors.Join(os.Remove(first), os.Symlink("victim", first)); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	s.out("h00", "overwritten")
	if err := d.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "h00.out") {
		t.Errorf("got %v, want an error about h00.out", err)
	}
	<-d.Failed()
	if err := d.Handle(t.Context(), fanout.Event{Kind: fanout.TargetStarted, Target: s.target("h01")}); err == nil {
		t.Error("got no error from Handle after a write has failed")
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("the file behind the link: got %q, %v", data, err)
	}
}

func TestFileNames(t *testing.T) {
	long := strings.Repeat("x", 300)
	hosts := []string{
		"web01.fra", "Web01.FRA", "WEB01.fra", "2001:db8::1", "[2001:db8::1]", "..", ".", ".ssh", "-rf", "a/../../b",
		"", "a b", "ä", "%2E", "~2", "web01.fra~2", "nul\x00", long + "1", long + "2", strings.Repeat("/", 100),
	}
	targets := make([]fanout.Target, len(hosts))
	for i, h := range hosts {
		targets[i] = fanout.Target{Index: i, Name: h}
	}
	got := fileNames(targets)
	want := []string{
		"web01.fra", "Web01.FRA~2", "WEB01.fra~3", "2001%3Adb8%3A%3A1", "%5B2001%3Adb8%3A%3A1%5D", "%2E.", "%2E", "%2Essh", "%2Drf",
		"a%2F..%2F..%2Fb", "", "a%20b", "%C3%A4", "%252E", "%7E2", "web01.fra%7E2", "nul%00",
	}
	if !slices.Equal(got[:len(want)], want) {
		t.Errorf("got %q, want %q", got[:len(want)], want)
	}
	seen := map[string]bool{}
	for i, name := range got {
		if folded := strings.ToLower(name); seen[folded] {
			t.Errorf("%q: %q is taken", hosts[i], name)
		} else {
			seen[folded] = true
		}
		if len(name) > longestFileName || strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") {
			t.Errorf("%q: got %q", hosts[i], name)
		}
	}
}

// FuzzFileNames checks that two hosts never share a file.
func FuzzFileNames(f *testing.F) {
	f.Add("web1", "WEB1")
	f.Add("a~2", "a")
	f.Add("%2e", ".")
	f.Add(strings.Repeat("é", 100), strings.Repeat("é", 101))
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == b {
			return
		}
		names := fileNames([]fanout.Target{{Name: a}, {Index: 1, Name: b}, {Index: 2, Name: a + "~2"}})
		if strings.EqualFold(names[0], names[1]) || strings.EqualFold(names[1], names[2]) && b != a+"~2" {
			t.Errorf("%q and %q share %q", a, b, names)
		}
		for _, name := range names {
			if !fs.ValidPath("x/"+name+outEnding) || strings.Contains(name, "/") {
				t.Errorf("%q is no name of a file", name)
			}
		}
	})
}
