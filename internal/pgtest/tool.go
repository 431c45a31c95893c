package pgtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// find finds a program of PostgreSQL, also where Debian keeps those of servers; the newest
// version counts.
func find(name string) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return slices.MaxFunc(found, compareVersions), nil
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return "", errors.New(name + ": not found: PostgreSQL is not installed (Debian: apt-get install postgresql)")
}

// compareVersions orders paths by the number of the version in them.
func compareVersions(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	return 1
}

// tool is find; where the program is missing the test is skipped, or fails if the
// environment has CI=true.
func tool(tb testing.TB, name string) string {
	tb.Helper()
	path, err := find(name)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		tb.Fatal(err)
	default:
		tb.Skip(err)
	}
	return path
}
