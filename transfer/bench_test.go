package transfer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
	"tutti/ssh"
	"tutti/transfer"
	"tutti/transfer/sftp"
	"tutti/transfer/shell"
)

// A way is one of the two to the files of a host.
type way struct {
	name string
	open transfer.Opener
}

func bySFTP(ctx context.Context, host fanout.Sessions) (transfer.Remote, error) {
	helper := shell.NewHelper(ctx, host)
	r, err := sftp.Open(ctx, host, sftp.Options{Hosts: 1, Sums: helper.Sums, Expand: helper.Expand})
	if err != nil {
		return nil, err
	}
	return closing{r, helper}, nil
}

type closing struct {
	*sftp.Remote
	helper *shell.Helper
}

func (c closing) Close() error { return errors.Join(c.helper.Close(), c.Remote.Close()) }

func byShell(ctx context.Context, host fanout.Sessions) (transfer.Remote, error) {
	return shell.Open(ctx, host, nil)
}

// ways are both.
var ways = []way{{"sftp", bySFTP}, {"shell", byShell}}

// bothWays runs test for each.
func bothWays(t *testing.T, test func(t *testing.T, w way)) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) { test(t, w) })
	}
}

// A bench is a client for one host of a fleet, whose files are below home.
type bench struct {
	*ssh.Client
	fleet  *fleet.Fleet
	target fanout.Target
	home   string
}

// newBench starts the fleet. change may change the host.
func newBench(tb testing.TB, change func(h *fleet.Host, home string)) *bench {
	tb.Helper()
	b := &bench{home: tb.TempDir()}
	key := fleet.NewKey()
	file := filepath.Join(tb.TempDir(), "key")
	if err := key.WriteFile(file, ""); err != nil {
		tb.Fatal(err)
	}
	h := fleet.Host{Name: "web01", Exec: fleet.Shell(b.home), SFTP: fleet.SFTP(b.home)}
	if change != nil {
		change(&h, b.home)
	}
	f, err := fleet.Start(fleet.Options{Hosts: []fleet.Host{h}, Authorized: []gossh.PublicKey{key.PublicKey()}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := f.Close(); err != nil {
			tb.Error(err)
		}
	})
	b.fleet = f
	address, port := f.Endpoint(h.Name)
	b.Client, err = ssh.New(tb.Context(), ssh.Options{Endpoints: []ssh.Endpoint{{
		Address: address, Port: port, User: "tester", Identities: []string{file}, IdentitiesOnly: true, HostKeys: hostkeys.Off,
	}}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = b.Client.Close() })
	b.target = fanout.Target{Name: h.Name, Labels: map[string]string{"dc": "fra"}, Limits: fanout.Limits{ConnectTimeout: time.Minute}}
	return b
}

// A moved is what a transfer said, and how it ended.
type moved struct {
	fanout.Report
	stdout, stderr lines
}

// lines are what a stream says.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// move makes one attempt.
func (b *bench) move(ctx context.Context, m fanout.Mover) *moved {
	r := &moved{}
	a := fanout.Attempt{N: 1, Target: b.target, Starting: func(context.Context, string) error { return nil }}
	r.Report = b.Exec(ctx, a, fanout.Task{Action: &fanout.Transfer{Mover: m}}, &r.stdout, &r.stderr)
	return r
}

// copy copies sources to dest in one attempt. change may change how.
func (b *bench) copy(tb testing.TB, w way, dest string, change func(*transfer.Copy), sources ...string) *moved {
	tb.Helper()
	c := &transfer.Copy{Dest: dest, Open: w.open, Hosts: 1}
	for _, name := range sources {
		s, err := transfer.ReadSource(name, true)
		if err != nil {
			tb.Fatal(err)
		}
		c.Sources = append(c.Sources, s)
	}
	if change != nil {
		change(c)
	}
	return b.move(tb.Context(), c)
}

// want checks what was said of files: state and path, and how it ended.
func (r *moved) want(tb testing.TB, outcome fanout.Outcome, said ...string) {
	tb.Helper()
	if r.Outcome() != outcome {
		tb.Errorf("got %s (%+v), want %s", r.Outcome(), r.Failure, outcome)
	}
	var got []string
	for line := range strings.Lines(r.stdout.String() + r.stderr.String()) {
		if f, ok := fanout.ParseFile(strings.TrimSuffix(line, "\n")); ok {
			got = append(got, f.State+" "+f.Path)
		} else {
			got = append(got, line)
		}
	}
	if !sameSet(got, said) {
		tb.Errorf("got %q, want %q", got, said)
	}
}

func sameSet(a, b []string) bool {
	counts := map[string]int{}
	for _, s := range a {
		counts[s]++
	}
	for _, s := range b {
		counts[s]--
	}
	for _, n := range counts {
		if n != 0 {
			return false
		}
	}
	return true
}

// write writes a file below dir, and returns its path.
func write(tb testing.TB, dir, name, content string) string {
	tb.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		tb.Fatal(err)
	}
	return file
}

// wantFile checks the content of a file.
func wantFile(tb testing.TB, file, want string) {
	tb.Helper()
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		tb.Errorf("%s has %d bytes, %.60q, %v; want %d bytes, %.60q", file, len(got), got, err, len(want), want)
	}
}

// wantNames checks that dir has these files, and no others such as temporary ones.
func wantNames(tb testing.TB, dir string, want ...string) {
	tb.Helper()
	var got []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != dir {
			name, _ := filepath.Rel(dir, path)
			if d.IsDir() {
				name += "/"
			}
			got = append(got, name)
		}
		return err
	})
	if err != nil || !sameSet(got, want) {
		tb.Errorf("%s has %q, %v; want %q", dir, got, err, want)
	}
}

// pattern is a text of n bytes in which no two parts are alike.
func pattern(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%x\n", sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(i >> 16)}))
	}
	return b.String()[:n]
}
