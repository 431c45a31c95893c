package cmd

import "tutti/inventory/sshconfig"

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDoctorSaysWhatIsHonoured: doctor praises what is in files, and only where
// there are files.
func TestDoctorSaysWhatIsHonoured(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("User me\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(file string) *sshconfig.Config {
		c, err := sshconfig.Load(sshconfig.Options{File: file})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	tests := []struct {
		name     string
		config   *sshconfig.Config
		honoured bool
		want     string
	}{
		{"no file", load("none"), true, "no ssh_config file"},
		{"no file, and something else is wrong", load("none"), false, "no ssh_config file"},
		{"a file", load(file), true, "are supported: " + file},
		{"a file with warnings", load(file), false, ""},
	}
	for _, tt := range tests {
		if got := honouredText(tt.config.Files(), tt.honoured); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
