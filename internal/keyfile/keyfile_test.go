package keyfile

import (
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func load(path string, random io.Reader) ([Size]byte, error) {
	return Load(path, os.Geteuid(), os.Getegid(), random)
}

// All calls at the same time get one key, which stays.
func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	var wg sync.WaitGroup
	keys := make([][Size]byte, 8)
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = load(path, rand.Reader); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	again, err := load(path, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	for i, key := range keys {
		if key != again || key == ([Size]byte{}) {
			t.Errorf("%d got another key than the one that is kept", i)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info, err)
	}
}

func TestLoadErrors(t *testing.T) {
	good := strings.Repeat("5a", Size)
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       string // of the error; empty: none
	}{
		{"a key", good + "\n", 0o600, ""},
		{"without the end of line", good, 0o600, ""},
		{"for others", good, 0o640, "other users can read"},
		{"short", good[2:], 0o600, "no key"},
		{"long", good + "5a", 0o600, "no key"},
		{"very long", strings.Repeat(good, 9), 0o600, "no key"},
		{"no digits", strings.Repeat("xy", Size), 0o600, "no key"},
		{"white space", "\n", 0o600, "no key"},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(tt.text), tt.mode); err != nil {
			t.Fatal(err)
		}
		key, err := load(path, rand.Reader)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if err != nil && (key != [Size]byte{} || strings.Contains(err.Error(), "5a5a")) {
			t.Errorf("%s: got a key with the error %v", tt.name, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != tt.text {
			t.Errorf("%s: the file was changed: %v", tt.name, err)
		}
	}
	if _, err := load(filepath.Join(t.TempDir(), "key"), strings.NewReader("short")); err == nil {
		t.Error("a key was made of too few random bytes")
	}
}
