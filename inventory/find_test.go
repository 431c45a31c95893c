package inventory

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestFind(t *testing.T) {
	work, home := t.TempDir(), t.TempDir()
	p := Places{WorkDir: work, Home: home}
	var none *NotFoundError
	if _, err := Find(p); !errors.As(err, &none) || len(none.Looked) != 3 {
		if _, statErr := os.Stat("/etc/tutti/hosts.yaml"); statErr != nil {
			t.Fatalf("got %v, want a NotFoundError with three places", err)
		}
	}
	mine := filepath.Join(home, ".config", "tutti", "hosts.yaml")
	if err := os.MkdirAll(filepath.Dir(mine), 0o700); err != nil {
		t.Fatal(err)
	}
	here := filepath.Join(work, "hosts.yaml")
	steps := []struct {
		name   string
		create string
		change func(*Places)
		want   []File
	}{
		{"home", mine, nil, []File{{mine, Found}}},
		{"work folder", here, nil, []File{{here, Found}}},
		{"environment", "", func(p *Places) { p.Env = "/x:/y" }, []File{{"/x", FromEnvironment}, {"/y", FromEnvironment}}},
		{"given", "", func(p *Places) { p.Given = []string{"/z"} }, []File{{"/z", Named}}},
	}
	for _, s := range steps {
		if s.create != "" {
			if err := os.WriteFile(s.create, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if s.change != nil {
			s.change(&p)
		}
		if got, err := Find(p); err != nil || !slices.Equal(got, s.want) {
			t.Errorf("%s: got %v, %v, want %v", s.name, got, err, s.want)
		}
	}
	if err := os.Remove(here); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(work, "gone"), here); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(Places{WorkDir: work, Home: home}); err == nil || !strings.Contains(err.Error(), "is a symbolic link to nothing") {
		t.Errorf("a link to nothing: got %v, want an error and not the next place", err)
	}
	if _, err := Find(Places{Given: []string{""}}); err == nil {
		t.Error("an empty path: got no error")
	}
}

func TestTrust(t *testing.T) {
	path := write(t, "hosts.yaml", "defaults: {host_keys: off}\nhosts: {a: {host_keys: accept-new}, b: }\n")
	for _, tt := range []struct {
		trust    Trust
		want     HostKeys
		warnings int
	}{{Named, Off, 0}, {FromEnvironment, Strict, 1}, {Found, Strict, 1}} {
		inv, err := Load(t.Context(), []File{{Path: path, Trust: tt.trust}})
		if err != nil {
			t.Fatal(err)
		}
		if got := host(t, inv, "b").HostKeys; got != tt.want || len(inv.Warnings) != tt.warnings {
			t.Errorf("trust %d: got %v and warnings %q, want %v and %d", tt.trust, got, inv.Warnings, tt.want, tt.warnings)
		}
		if got := host(t, inv, "a").HostKeys; got != AcceptNew {
			t.Errorf("trust %d: host a: got %v, want accept-new", tt.trust, got)
		}
	}
	for _, mode := range []fs.FileMode{0o620, 0o602, 0o666} {
		if mode == 0o620 && privateGroup(uint32(os.Geteuid()), uint32(os.Getegid())) {
			continue // the group is nobody else
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(t.Context(), []File{{Path: path, Trust: Found}}); err == nil || !strings.Contains(err.Error(), "others can write it") {
			t.Errorf("mode %o: got %v, want a refusal", mode, err)
		}
		if _, err := Load(t.Context(), []File{{Path: path, Trust: Named}}); err != nil {
			t.Errorf("mode %o, named: got %v, want no error", mode, err)
		}
	}
}

// ownedBy is a file of some user.
type ownedBy struct {
	fs.FileInfo
	uid  uint32
	mode fs.FileMode
}

func (o ownedBy) Sys() any          { return &syscall.Stat_t{Uid: o.uid} }
func (o ownedBy) Mode() fs.FileMode { return o.mode }

func TestCheckOwner(t *testing.T) {
	me := uint32(os.Geteuid())
	tests := []struct {
		name string
		info ownedBy
		ok   bool
	}{
		{"ours", ownedBy{uid: me, mode: 0o644}, true},
		{"root's", ownedBy{uid: 0, mode: 0o644}, true},
		{"somebody's", ownedBy{uid: me + 4711, mode: 0o600}, false},
		{"group can write", ownedBy{uid: me, mode: 0o664}, false},
		{"our link", ownedBy{uid: me, mode: 0o777 | fs.ModeSymlink}, true},
		{"somebody's link", ownedBy{uid: me + 4711, mode: 0o777 | fs.ModeSymlink}, false},
	}
	for _, tt := range tests {
		if err := checkOwner(tt.info); (err == nil) != tt.ok {
			t.Errorf("%s: got %v, want ok %v", tt.name, err, tt.ok)
		}
	}
}
