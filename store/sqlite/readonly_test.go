package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"tutti/fanout"
	"tutti/store"
)

// readOnly checks a history that it cannot write.
func readOnly(ctx context.Context, path string) error {
	if _, err := Open(ctx, path, store.Options{}); !errors.Is(err, store.ErrReadOnly) && !errors.Is(err, store.ErrNotOwned) {
		return fmt.Errorf("Open: got %w, want %w or %w", err, store.ErrReadOnly, store.ErrNotOwned)
	}
	s, err := OpenExisting(ctx, path, store.Options{})
	if err != nil {
		return err
	}
	runs, err := s.Runs(ctx, store.Query{})
	if err != nil {
		return err
	}
	for _, r := range runs {
		events := 0
		err := s.Replay(ctx, r.ID, store.Filter{}, fanout.SinkFunc(func(context.Context, fanout.Event) error {
			events++
			return nil
		}))
		if err != nil {
			return err
		}
		fmt.Printf("%d %s %d\n", r.ID, r.State, events)
	}
	if _, err := s.Begin(ctx, testPlan("a"), store.RunInfo{}); !errors.Is(err, store.ErrReadOnly) {
		return fmt.Errorf("Begin: got %w, want %w", err, store.ErrReadOnly)
	}
	if _, err := s.Prune(ctx, store.DefaultRetention()); !errors.Is(err, store.ErrReadOnly) {
		return fmt.Errorf("Prune: got %w, want %w", err, store.ErrReadOnly)
	}
	return s.Close()
}

// Permissions mean nothing to root, which therefore reads as another user; a normal
// user reads a file that is made read-only.
func TestOpenExistingReadsWhatItCannotWrite(t *testing.T) {
	for _, tt := range []struct {
		name string
		cut  bool // a run was cut off, and its log is still there
		want string
	}{
		{"closed", false, "1 finished 5\n"},
		{"cut off", true, "2 interrupted 17\n1 finished 5\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "history.db")
			s, err := Open(t.Context(), path, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			record(t, s, store.RunInfo{}, "hello")
			if tt.cut {
				hang(t, path).kill()
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if tt.cut {
				hang(t, path).kill() // it repairs the first, and leaves its log
				tt.want = "3 interrupted 13\n" + tt.want
			}
			cmd := child(t, "read", path)
			makeReadOnly(t, cmd, dir)
			out, err := cmd.Output()
			if err != nil || string(out) != tt.want {
				t.Errorf("got %q, %v, want %q", out, err, tt.want)
			}
		})
	}
}

// makeReadOnly takes from cmd the right to write dir and what is in it.
func makeReadOnly(t *testing.T, cmd *exec.Cmd, dir string) {
	t.Helper()
	chmod := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		chmod(f, 0o444)
	}
	chmod(dir, 0o555)
	t.Cleanup(func() { chmod(dir, 0o755) })
	if os.Geteuid() != 0 {
		return
	}
	for up := filepath.Dir(dir); up != filepath.Clean(os.TempDir()) && up != "/"; up = filepath.Dir(up) {
		chmod(up, 0o755)
	}
	// The test binary lies where only root may look.
	self, err := os.ReadFile(cmd.Path)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path = filepath.Join(t.TempDir(), "store.test")
	if err := os.WriteFile(cmd.Path, self, 0o755); err != nil {
		t.Fatal(err)
	}
	chmod(filepath.Dir(filepath.Dir(cmd.Path)), 0o755)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}
