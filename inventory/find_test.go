package inventory

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tutti/internal/hostkeys"
	"tutti/internal/safefile"
	"tutti/inventory/layer"
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
		want   []layer.File
	}{
		{"home", mine, nil, []layer.File{{Path: mine, Trust: layer.Found}}},
		{"work directory", here, nil, []layer.File{{Path: here, Trust: layer.Found}}},
		{"environment", "", func(p *Places) { p.Env = "/x:/y" }, []layer.File{{Path: "/x", Trust: layer.FromEnvironment}, {Path: "/y", Trust: layer.FromEnvironment}}},
		{"given", "", func(p *Places) { p.Given = []string{"/z"} }, []layer.File{{Path: "/z", Trust: layer.Named}}},
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
	if _, err := Find(Places{WorkDir: work, Home: home}); err == nil || !strings.Contains(err.Error(), "is a dangling symbolic link") {
		t.Errorf("a link to nothing: got %v, want an error and not the next place", err)
	}
	if _, err := Find(Places{Given: []string{""}}); err == nil {
		t.Error("an empty path: got no error")
	}
}

func TestTrust(t *testing.T) {
	path := write(t, "hosts.yaml", "defaults: {host_keys: off}\nhosts: {a: {host_keys: accept-new}, b: }\n")
	for _, tt := range []struct {
		trust    layer.Trust
		want     hostkeys.Mode
		warnings int
	}{{layer.Named, hostkeys.Off, 0}, {layer.FromEnvironment, hostkeys.Strict, 1}, {layer.Found, hostkeys.Strict, 1}} {
		inv, err := Load(t.Context(), []layer.File{{Path: path, Trust: tt.trust}})
		if err != nil {
			t.Fatal(err)
		}
		if got := host(t, inv, "b").HostKeys; got != tt.want || len(inv.Warnings) != tt.warnings {
			t.Errorf("trust %d: got %v and warnings %q, want %v and %d", tt.trust, got, inv.Warnings, tt.want, tt.warnings)
		}
		if got := host(t, inv, "a").HostKeys; got != hostkeys.AcceptNew {
			t.Errorf("trust %d: host a: got %v, want accept-new", tt.trust, got)
		}
	}
	for _, mode := range []fs.FileMode{0o620, 0o602, 0o666} {
		if mode == 0o620 && safefile.PrivateGroup(uint32(os.Geteuid()), uint32(os.Getegid())) {
			continue // the group has no other member
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Found}}); err == nil || !strings.Contains(err.Error(), "others can write it") {
			t.Errorf("mode %o: got %v, want a refusal", mode, err)
		}
		if _, err := Load(t.Context(), []layer.File{{Path: path, Trust: layer.Named}}); err != nil {
			t.Errorf("mode %o, named: got %v, want no error", mode, err)
		}
	}
}
