package sshconfig

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestPersist: connections stay open where ssh would share them.
func TestPersist(t *testing.T) {
	const ever = forever * time.Second
	tests := []struct {
		lines string
		want  time.Duration
	}{
		{"", 0},
		{"ControlPersist 10m", 0},
		{"ControlMaster auto", 0},
		{"ControlMaster auto\nControlPersist 10m", 10 * time.Minute},
		{"ControlMaster yes\nControlPersist 90", 90 * time.Second},
		{"ControlMaster autoask\nControlPersist yes", ever},
		{"ControlMaster ask\nControlPersist 0", ever},
		{"ControlMaster auto\nControlPersist no", 0},
		{"ControlMaster no\nControlMaster auto\nControlPersist 10m", 0},
	}
	for _, tt := range tests {
		t.Run(tt.lines, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(file, []byte(tt.lines+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := Load(Options{File: file, Getenv: func(string) string { return "" }})
			if err != nil {
				t.Fatal(err)
			}
			s, err := c.Resolve(Query{Name: "h"})
			if err != nil {
				t.Fatal(err)
			}
			if _, set := s.Origin(KeyPersist); s.Persist != tt.want || set != (tt.want > 0) {
				t.Errorf("got %v, set: %v, want %v", s.Persist, set, tt.want)
			}
		})
	}
	for _, line := range []string{"ControlPersist soon", "ControlMaster perhaps"} {
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := Load(Options{File: file, Getenv: func(string) string { return "" }}); err == nil && len(c.Warnings) == 0 {
			t.Errorf("%s: got no error", line)
		}
	}
}
