package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gosftp "github.com/pkg/sftp"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/transfer"
	"tutti/transfer/sftp"
)

// A liar is the file system of a host that answers what it likes.
type liar struct {
	entries []transfer.Entry
	text    string // of links
	content []byte
	ignore  bool // of the part that was asked for
	depth   int
}

func (l *liar) Look(context.Context, string, bool) (transfer.Entry, error) {
	return transfer.Entry{Name: "x", Mode: fs.ModeDir | 0o755}, nil
}

func (l *liar) List(context.Context, string) ([]transfer.Entry, error) {
	if l.depth++; l.depth > 4 {
		return nil, nil
	}
	return l.entries, nil
}

func (l *liar) Sums(context.Context, []string) (map[string]string, error) {
	return map[string]string{"": strings.Repeat("0", 64)}, nil
}
func (l *liar) Put(context.Context, transfer.Upload) error         { return errors.ErrUnsupported }
func (l *liar) Link(context.Context, string, string, string) error { return errors.ErrUnsupported }
func (l *liar) Target(context.Context, string) (string, error)     { return l.text, nil }
func (l *liar) MakeDir(context.Context, string, fs.FileMode) error { return errors.ErrUnsupported }
func (l *liar) Adorn(context.Context, string, transfer.Attributes) error {
	return errors.ErrUnsupported
}
func (l *liar) Remove(context.Context, []string) error { return errors.ErrUnsupported }
func (l *liar) Parallel() int                          { return 2 }
func (l *liar) Close() error                           { return nil }
func (l *liar) Expand(_ context.Context, pattern string) ([]string, error) {
	return []string{"..", "/", "../../" + l.text, pattern, l.text}, nil
}

func (l *liar) Get(_ context.Context, _ string, part transfer.Part, w io.Writer) error {
	content := l.content
	if !l.ignore && part.Most > 0 && int64(len(content)) > part.Most {
		content = content[:part.Most]
	}
	_, err := w.Write(content)
	return err
}

// FuzzFetch asserts that nothing is written outside the directory of the host, whatever
// the host answers, and that nothing that is there is replaced.
func FuzzFetch(f *testing.F) {
	f.Add("../../evil\n..\n/abs\nok", "../../../out", uint32(0), []byte("x"))
	f.Add("a\nA\na~2\nlink", "sub/../../..", uint32(0o120777), []byte("content"))
	f.Add(strings.Repeat("n", 300)+"\n.\n-\n%2e%2e", "..", uint32(0o040755), []byte{})
	f.Fuzz(func(t *testing.T, names, text string, mode uint32, content []byte) {
		l := &liar{text: text, content: content, ignore: mode&1 != 0}
		kinds := []fs.FileMode{0, fs.ModeDir, fs.ModeSymlink, fs.ModeDevice}
		for i, name := range strings.Split(names, "\n") {
			if i > 20 {
				break
			}
			kind := kinds[int(mode>>uint(i%16*2))%len(kinds)]
			l.entries = append(l.entries, transfer.Entry{Name: name, Mode: kind | 0o644, Size: int64(len(content)) / 2 * int64(i%3)})
		}
		top := t.TempDir()
		dir := filepath.Join(top, "dir")
		write(t, dir, "host/kept", "kept")
		write(t, top, "beside", "beside")
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = root.Close() }()
		fetch := &transfer.Fetch{
			Sources: []string{"tree", "*", "kept"}, Root: root, Names: []string{"host"}, Trees: true,
			Open: func(context.Context, fanout.Sessions) (transfer.Remote, error) { return l, nil },
		}
		var out bytes.Buffer
		fetch.Move(t.Context(), fanout.Attempt{Target: fanout.Target{Name: "host"}}, nil, &out, &out)
		wantFile(t, filepath.Join(top, "beside"), "beside")
		wantFile(t, filepath.Join(dir, "host/kept"), "kept")
		wantOnly(t, top, "beside", "dir")
		wantOnly(t, dir, "host")
		wantLinksInside(t, filepath.Join(dir, "host"))
	})
}

// wantOnly checks what is directly in dir.
func wantOnly(tb testing.TB, dir string, names ...string) {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if err != nil || !sameSet(got, names) {
		tb.Fatalf("%s has %q, %v; want %q", dir, got, err, names)
	}
}

// wantLinksInside checks that no link leads out of dir.
func wantLinksInside(tb testing.TB, dir string) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink == 0 {
			return err
		}
		to, err := filepath.EvalSymlinks(path)
		if err != nil {
			return nil // it leads nowhere
		}
		if to != dir && !strings.HasPrefix(to, dir+"/") {
			tb.Errorf("%s leads to %s", path, to)
		}
		return nil
	})
	if err != nil {
		tb.Error(err)
	}
}

// lyingSFTP is a server whose directories have names that lead out of them, and whose
// files are longer than it says.
type lyingSFTP struct{}

func (lyingSFTP) Fileread(*gosftp.Request) (io.ReaderAt, error) {
	return bytes.NewReader(bytes.Repeat([]byte("x"), 100_000)), nil
}
func (lyingSFTP) Filewrite(*gosftp.Request) (io.WriterAt, error) { return nil, fs.ErrPermission }
func (lyingSFTP) Filecmd(*gosftp.Request) error                  { return fs.ErrPermission }
func (lyingSFTP) Filelist(r *gosftp.Request) (gosftp.ListerAt, error) {
	if r.Method == "List" {
		return listing{said{"..", 10, 0}, said{"../../evil", 10, 0}, said{"/tmp/evil", 10, 0}, said{"a", 10, 0}, said{"A", 10, 0}, said{"empty", 0, 0}}, nil
	}
	return listing{said{"tree", 4096, fs.ModeDir}}, nil
}

type listing []said

func (l listing) ListAt(to []os.FileInfo, offset int64) (int, error) {
	n := 0
	for _, s := range l[min(int(offset), len(l)):] {
		if n == len(to) {
			return n, nil
		}
		to[n] = s
		n++
	}
	return n, io.EOF
}

func TestFetchFromAServerThatLies(t *testing.T) {
	b := newBench(t, func(h *fleet.Host, _ string) {
		h.SFTP = fleet.HandlerFunc(func(s *fleet.Session) fleet.Exit {
			l := lyingSFTP{}
			server := gosftp.NewRequestServer(pipes{s.Stdin, s.Stdout}, gosftp.Handlers{FileGet: l, FilePut: l, FileCmd: l, FileList: l})
			_ = server.Serve()
			return fleet.Exit{}
		})
		h.Faults.MaxSessions = 1 // no shell that would tell the truth
	})
	top := t.TempDir()
	dir := filepath.Join(top, "dir")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	opened := way{"sftp", readOnlySFTP}
	r := b.fetch(t, opened, dir, trees, "tree")
	if r.Outcome() != fanout.OK && r.Outcome() != fanout.Failed {
		t.Errorf("got %s, %+v", r.Outcome(), r.Failure)
	}
	wantOnly(t, top, "dir")
	wantOnly(t, dir, "web01")
	wantFile(t, filepath.Join(dir, "web01/tree/a"), strings.Repeat("x", 10))
	wantFile(t, filepath.Join(dir, "web01/tree/A~2"), strings.Repeat("x", 10))
	wantFile(t, filepath.Join(dir, "web01/tree/empty"), strings.Repeat("x", 100_000))
}

// said is what a server says about a file.
type said struct {
	name string
	size int64
	mode fs.FileMode
}

func (s said) Name() string       { return s.name }
func (s said) Size() int64        { return s.size }
func (s said) Mode() fs.FileMode  { return s.mode | 0o644 }
func (s said) ModTime() time.Time { return time.Unix(1, 0) }
func (s said) IsDir() bool        { return s.mode.IsDir() }
func (s said) Sys() any           { return nil }

// pipes are the two directions of a session.
type pipes struct {
	io.Reader
	io.Writer
}

func (pipes) Close() error { return nil }

func readOnlySFTP(ctx context.Context, host fanout.Sessions) (transfer.Remote, error) {
	return sftp.Open(ctx, host, sftp.Options{ReadOnly: true})
}
