package sqlite

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"tutti/store"
)

// stranger is a user id that is neither ours nor root's.
const stranger = 4242

// cutOff makes a history with a run that looks as if it were still recorded.
func cutOff(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "history.db")
	s := openTest(t, path)
	record(t, s, store.RunInfo{User: "u"}, "hello")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db := raw(t, path)
	if _, err := db.Exec("UPDATE runs SET state = 'running', ended_at = NULL"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Close(), os.RemoveAll(path+".lock")); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRootReadsAnothersHistory, with a log and without one, and changes nothing.
func TestRootReadsAnothersHistory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can give files away")
		return
	}
	for _, log := range []bool{false, true} {
		path := cutOff(t)
		if log {
			hang(t, path).kill()
		}
		give(t, filepath.Dir(path), path)
		before := filesIn(t, filepath.Dir(path))
		s, err := OpenExisting(t.Context(), path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		runs, err := s.Runs(t.Context(), store.Query{})
		if err != nil || len(runs) == 0 || runs[0].State != store.Interrupted {
			t.Errorf("got %v, %v, want an interrupted run", runs, err)
		}
		if _, err := s.Begin(t.Context(), testPlan("a"), store.RunInfo{}); !errors.Is(err, store.ErrReadOnly) || !errors.Is(err, store.ErrNotOwned) {
			t.Errorf("Begin: got %v, want %v", err, store.ErrNotOwned)
		}
		if _, err := s.Prune(t.Context(), store.DefaultRetention()); !errors.Is(err, store.ErrNotOwned) {
			t.Errorf("Prune: got %v, want %v", err, store.ErrNotOwned)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Examine(t.Context(), path); err != nil {
			t.Errorf("Examine: %v", err)
		}
		if after := filesIn(t, filepath.Dir(path)); !maps.Equal(after, before) {
			t.Errorf("with a log: %t: got other files, %v, want %v as they were", log, slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
		}
		for _, open := range []func() (*Store, error){
			func() (*Store, error) { return Open(t.Context(), path, store.Options{Obey: true}) },
			func() (*Store, error) { return OpenExisting(t.Context(), path, store.Options{Obey: true}) },
		} {
			if _, err := open(); !errors.Is(err, store.ErrNotOwned) {
				t.Errorf("for a rerun: got %v, want %v", err, store.ErrNotOwned)
			}
		}
	}
}

// TestRootRecordsInAnothersHistory, as sudo does that keeps HOME: all files stay the
// owner's.
func TestRootRecordsInAnothersHistory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can give files away")
		return
	}
	path := cutOff(t)
	give(t, filepath.Dir(path), path)
	s := openTest(t, path)
	record(t, s, store.RunInfo{}, "hello")
	for name := range filesIn(t, filepath.Dir(path)) {
		if owner := ownerOf(t, filepath.Join(filepath.Dir(path), name)); owner != stranger {
			t.Errorf("%s belongs to %d, want %d", name, owner, stranger)
		}
	}
}

// give gives dir and all in it to a stranger.
func give(t *testing.T, dir, _ string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		err = errors.Join(err, os.Lchown(filepath.Join(dir, e.Name()), stranger, stranger))
	}
	if err := errors.Join(err, os.Chown(dir, stranger, stranger)); err != nil {
		t.Fatal(err)
	}
}

func ownerOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// TestFilesInThePlaceOfOurs: a file next to a history, where SQLite or tutti would open
// one of their own, is neither followed nor given away, and blocks no process.
func TestFilesInThePlaceOfOurs(t *testing.T) {
	puts := map[string]func(victim, path string) error{
		"link":      os.Symlink,
		"hard link": os.Link,
		"pipe":      func(_, path string) error { return unix.Mkfifo(path, 0o600) },
		"directory": func(_, path string) error { return os.Mkdir(path, 0o700) },
	}
	for name, put := range puts {
		for _, ending := range []string{".lock", "-wal", "-shm", "-journal"} {
			t.Run(name+" "+ending, func(t *testing.T) {
				path := cutOff(t)
				victim := filepath.Join(t.TempDir(), "victim")
				if err := errors.Join(os.WriteFile(victim, []byte("secret"), 0o600), put(victim, path+ending)); err != nil {
					t.Fatal(err)
				}
				if os.Geteuid() == 0 {
					give(t, filepath.Dir(path), path)
					if err := os.Lchown(victim, 0, 0); err != nil { // which give reached by its other name
						t.Fatal(err)
					}
				}
				if _, err := OpenExisting(t.Context(), path, store.Options{}); !errors.Is(err, store.ErrUnsafe) {
					t.Errorf("OpenExisting: got %v, want %v", err, store.ErrUnsafe)
				}
				if _, err := Open(t.Context(), path, store.Options{}); !errors.Is(err, store.ErrUnsafe) {
					t.Errorf("Open: got %v, want %v", err, store.ErrUnsafe)
				}
				if _, err := Examine(t.Context(), path); !errors.Is(err, store.ErrUnsafe) {
					t.Errorf("Examine: got %v, want %v", err, store.ErrUnsafe)
				}
				if data, err := os.ReadFile(victim); err != nil || string(data) != "secret" || ownerOf(t, victim) != os.Geteuid() {
					t.Errorf("got %q, %v, of %d, want it untouched", data, err, ownerOf(t, victim))
				}
			})
		}
	}
}

// TestObey: a history that others can write is read, and not obeyed.
func TestObey(t *testing.T) {
	for _, tt := range []struct {
		name      string
		file, dir fs.FileMode
		refused   bool
	}{
		{"ours alone", 0o600, 0o700, false},
		{"readable", 0o644, 0o755, false},
		{"sticky", 0o600, 0o777 | fs.ModeSticky, false},
		{"file of all", 0o666, 0o700, true},
		{"directory of all", 0o600, 0o777, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := cutOff(t)
			if err := errors.Join(os.Chmod(path, tt.file), os.Chmod(filepath.Dir(path), tt.dir)); err != nil {
				t.Fatal(err)
			}
			s, err := OpenExisting(t.Context(), path, store.Options{Obey: true})
			if errors.Is(err, store.ErrUnsafe) != tt.refused || err != nil && !tt.refused {
				t.Errorf("got %v, want refused: %t", err, tt.refused)
			}
			if err == nil {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			if s, err = OpenExisting(t.Context(), path, store.Options{}); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
