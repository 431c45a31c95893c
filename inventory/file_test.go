package inventory

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tutti/inventory/layer"
)

// TestDirectoryOfFoundInventory: a user who can write the directory can replace the
// inventory in it.
func TestDirectoryOfFoundInventory(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "work")
	path := filepath.Join(directory, "hosts.yaml")
	writeAt(t, path, "hosts: [a]\n")
	link := filepath.Join(t.TempDir(), "hosts.yaml")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[os.FileMode]bool{0o755: true, 0o777: false, 0o757: false, 0o777 | os.ModeSticky: true, 0o700: true} {
		if err := os.Chmod(directory, mode); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{path, link} {
			_, err := Load(t.Context(), []layer.File{{Path: name, Trust: layer.Found}})
			if ok != (err == nil) || !ok && (!strings.Contains(err.Error(), "its directory "+directory+" is not safe") || !advisesToName(err)) {
				t.Errorf("mode %v, %s: got %v, want ok %v and the directory named", mode, name, err, ok)
			}
			if _, err := Load(t.Context(), []layer.File{{Path: name, Trust: layer.Named}}); err != nil {
				t.Errorf("mode %v, named: got %v", mode, err)
			}
		}
	}
}

// advisesToName reports whether err has the advice to name the inventory.
func advisesToName(err error) bool {
	var adviser interface{ Advice() (string, []any) }
	if !errors.As(err, &adviser) {
		return false
	}
	code, _ := adviser.Advice()
	return code == AdviceUntrusted
}
