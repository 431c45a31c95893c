package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport is the picture in ARCHITECTURE.md: which of tutti's packages each of them
// may use. Nothing points up, and nothing sideways between the edges.
var mayImport = map[string][]string{
	"tutti":                   {"tutti/cmd"},
	"tutti/cmd":               {"tutti/api", "tutti/client", "tutti/cmd/account", "tutti/cmd/completion", "tutti/cmd/demo", "tutti/cmd/hosts", "tutti/cmd/internal/cli", "tutti/cmd/internal/help", "tutti/cmd/internal/interrupt", "tutti/cmd/internal/place", "tutti/cmd/internal/request", "tutti/cmd/serve", "tutti/daemon", "tutti/fanout", "tutti/internal/fault", "tutti/internal/hostkeys", "tutti/internal/hostlist", "tutti/internal/phrase", "tutti/internal/profile", "tutti/internal/quantity", "tutti/internal/safefile", "tutti/internal/sanitize", "tutti/internal/terminal", "tutti/internal/typed", "tutti/internal/yamltree", "tutti/inventory", "tutti/jobs", "tutti/output", "tutti/runner", "tutti/scheduler", "tutti/ssh", "tutti/ssh/keeper", "tutti/store"},
	"tutti/runner":            {"tutti/transfer", "tutti/transfer/sftp", "tutti/transfer/shell", "tutti/access", "tutti/internal/hostkeys", "tutti/fanout", "tutti/inventory", "tutti/inventory/sshconfig", "tutti/scheduler", "tutti/ssh", "tutti/ssh/keeper", "tutti/ssh/knownhosts", "tutti/output", "tutti/store", "tutti/store/postgres", "tutti/store/sqlite", "tutti/internal/fault", "tutti/internal/filekind", "tutti/internal/hostlist", "tutti/internal/phrase", "tutti/internal/quantity", "tutti/internal/safefile", "tutti/internal/typed", "tutti/internal/yamltree"},
	"tutti/console":           {"tutti/access", "tutti/api", "tutti/api/event", "tutti/internal/hostlist", "tutti/internal/phrase", "tutti/internal/quantity", "tutti/internal/sanitize"},
	"tutti/daemon":            {"tutti/console", "tutti/server/compat", "tutti/internal/keyfile", "tutti/internal/outgoing", "tutti/internal/safefile", "tutti/api/event", "tutti/output", "tutti/inventory", "tutti/fanout", "tutti/jobs", "tutti/notify", "tutti/runner", "tutti/scheduler", "tutti/server", "tutti/server/live", "tutti/ssh", "tutti/store", "tutti/internal/fault", "tutti/internal/quantity", "tutti/internal/sdnotify", "tutti/access"},
	"tutti/jobs":              {"tutti/api", "tutti/inventory", "tutti/api/event", "tutti/runner", "tutti/scheduler", "tutti/store", "tutti/internal/errno", "tutti/internal/fault"},
	"tutti/api":               {"tutti/access", "tutti/fanout", "tutti/inventory", "tutti/inventory/sshconfig", "tutti/scheduler", "tutti/api/event", "tutti/store", "tutti/runner"},
	"tutti/ssh":               {"tutti/internal/tail", "tutti/internal/hostkeys", "tutti/fanout", "tutti/ssh/knownhosts", "tutti/ssh/remote", "tutti/internal/sanitize"},
	"tutti/transfer":          {"tutti/fanout"},
	"tutti/transfer/sftp":     {"tutti/fanout", "tutti/transfer"},
	"tutti/transfer/shell":    {"tutti/fanout", "tutti/transfer"},
	"tutti/ssh/keeper":        {"tutti/fanout", "tutti/internal/safefile", "tutti/ssh"},
	"tutti/ssh/remote":        {"tutti/fanout", "tutti/internal/sanitize"},
	"tutti/ssh/knownhosts":    {"tutti/internal/hostkeys", "tutti/internal/safefile", "tutti/internal/sanitize"},
	"tutti/api/event":         {"tutti/fanout"},
	"tutti/output":            {"tutti/api/event", "tutti/fanout", "tutti/internal/sanitize", "tutti/internal/safefile"},
	"tutti/store":             {"tutti/access", "tutti/fanout", "tutti/scheduler", "tutti/internal/errno", "tutti/internal/tail"},
	"tutti/store/tables":      {"tutti/access", "tutti/fanout", "tutti/scheduler", "tutti/store", "tutti/internal/yamltree"},
	"tutti/store/storetest":   {"tutti/access", "tutti/fanout", "tutti/scheduler", "tutti/store"},
	"tutti/store/sqlite":      {"tutti/access", "tutti/fanout", "tutti/scheduler", "tutti/store", "tutti/store/tables", "tutti/internal/yamltree", "tutti/internal/errno", "tutti/internal/safefile"},
	"tutti/store/postgres":    {"tutti/access", "tutti/fanout", "tutti/scheduler", "tutti/store", "tutti/store/tables", "tutti/internal/yamltree"},
	"tutti/client":            {"tutti/access", "tutti/api", "tutti/api/event", "tutti/fanout", "tutti/jobs", "tutti/scheduler", "tutti/store", "tutti/internal/fault", "tutti/internal/safefile", "tutti/internal/sanitize", "tutti/internal/yamltree"},
	"tutti/server":            {"tutti/server/live", "tutti/internal/hostlist", "tutti/access", "tutti/api", "tutti/api/event", "tutti/fanout", "tutti/inventory", "tutti/jobs", "tutti/notify", "tutti/runner", "tutti/scheduler", "tutti/server/operation", "tutti/store", "tutti/internal/fault", "tutti/internal/phrase", "tutti/internal/quantity", "tutti/internal/safefile", "tutti/internal/sanitize"},
	"tutti/server/compat":     {"tutti/access", "tutti/api/event", "tutti/fanout", "tutti/internal/hostlist", "tutti/internal/phrase", "tutti/jobs", "tutti/scheduler", "tutti/server", "tutti/store"},
	"tutti/server/operation":  {"tutti/access", "tutti/api", "tutti/internal/sanitize", "tutti/internal/yamltree"},
	"tutti/server/live":       {"tutti/fanout", "tutti/scheduler", "tutti/store", "tutti/api", "tutti/api/event"},
	"tutti/notify":            {"tutti/internal/outgoing", "tutti/internal/tail", "tutti/scheduler", "tutti/internal/sanitize"},
	"tutti/inventory":         {"tutti/internal/tail", "tutti/internal/hostkeys", "tutti/fanout", "tutti/internal/fault", "tutti/inventory/layer", "tutti/inventory/ansible", "tutti/internal/hostlist", "tutti/internal/yamltree", "tutti/internal/filekind"},
	"tutti/scheduler":         {"tutti/fanout", "tutti/internal/quantity", "tutti/internal/yamltree", "tutti/internal/filekind"},
	"tutti/access":            {"tutti/internal/phrase", "tutti/internal/quantity"},
	"tutti/fanout":            {},
	"tutti/bench":             {"tutti/fanout", "tutti/server/live", "tutti/store", "tutti/store/sqlite", "tutti/internal/fleet"},
	"tutti/browser":           {},
	"tutti/internal/fault":    {},
	"tutti/internal/hostkeys": {},
	"tutti/internal/tail":     {},
	"tutti/internal/hostlist": {"tutti/internal/yamltree"},
	"tutti/internal/filekind": {},
	"tutti/internal/keyfile":  {"tutti/internal/safefile"},
	"tutti/internal/outgoing": {},
	"tutti/internal/phrase":   {},
	"tutti/internal/quantity": {},
	"tutti/internal/errno":    {},
	"tutti/internal/sdnotify": {},
	"tutti/internal/stdio":    {},
	"tutti/internal/safefile": {},
	"tutti/internal/terminal": {},
	"tutti/internal/profile":  {"tutti/internal/safefile"},
	"tutti/internal/typed":    {"tutti/fanout", "tutti/internal/quantity"},
	"tutti/internal/sanitize": {},
	"tutti/internal/keytest":  {},
	"tutti/internal/yamltree": {},
	"tutti/internal/jsondoc":  {},
	"tutti/internal/fleet":    {},
	"tutti/internal/sshdtest": {},
	"tutti/internal/pgtest":   {},
	"tutti/internal/soak":     {},
	"tutti/internal/nemesis":  {},

	"tutti/cmd/account":            {"tutti/access", "tutti/api", "tutti/client", "tutti/cmd/completion", "tutti/cmd/internal/cli", "tutti/cmd/internal/help", "tutti/cmd/internal/place", "tutti/daemon", "tutti/internal/fault", "tutti/internal/quantity", "tutti/internal/terminal", "tutti/internal/typed", "tutti/inventory", "tutti/output", "tutti/runner", "tutti/store"},
	"tutti/cmd/completion":         {"tutti/cmd/internal/cli", "tutti/cmd/internal/help", "tutti/fanout", "tutti/internal/fault", "tutti/internal/phrase", "tutti/internal/sanitize", "tutti/internal/yamltree", "tutti/inventory", "tutti/runner", "tutti/store"},
	"tutti/cmd/demo":               {"tutti/cmd/internal/cli", "tutti/cmd/internal/help", "tutti/internal/fault", "tutti/internal/fleet", "tutti/internal/phrase", "tutti/runner"},
	"tutti/cmd/hosts":              {"tutti/access", "tutti/api", "tutti/client", "tutti/cmd/completion", "tutti/cmd/internal/cli", "tutti/cmd/internal/help", "tutti/cmd/internal/place", "tutti/cmd/internal/request", "tutti/internal/fault", "tutti/internal/hostlist", "tutti/internal/phrase", "tutti/internal/quantity", "tutti/internal/sanitize", "tutti/internal/terminal", "tutti/output", "tutti/runner", "tutti/store"},
	"tutti/cmd/serve":              {"tutti/access", "tutti/cmd/internal/cli", "tutti/cmd/internal/help", "tutti/cmd/internal/interrupt", "tutti/cmd/internal/place", "tutti/daemon", "tutti/internal/fault", "tutti/internal/outgoing", "tutti/internal/phrase", "tutti/internal/sanitize", "tutti/internal/sdnotify", "tutti/internal/terminal", "tutti/internal/typed", "tutti/runner", "tutti/scheduler", "tutti/server", "tutti/store"},
	"tutti/cmd/internal/cli":       {"tutti/access", "tutti/client", "tutti/fanout", "tutti/internal/errno", "tutti/internal/fault", "tutti/internal/filekind", "tutti/internal/phrase", "tutti/internal/quantity", "tutti/internal/sanitize", "tutti/internal/stdio", "tutti/internal/terminal", "tutti/inventory", "tutti/inventory/sshconfig", "tutti/output", "tutti/runner", "tutti/ssh", "tutti/store"},
	"tutti/cmd/internal/help":      {"tutti/internal/terminal", "tutti/internal/typed"},
	"tutti/cmd/internal/interrupt": {"tutti/fanout"},
	"tutti/cmd/internal/place":     {"tutti/client", "tutti/cmd/internal/cli", "tutti/cmd/internal/help", "tutti/internal/fault", "tutti/internal/phrase", "tutti/internal/quantity", "tutti/internal/typed", "tutti/runner", "tutti/store"},
	"tutti/cmd/internal/request":   {"tutti/cmd/internal/cli", "tutti/cmd/internal/place", "tutti/internal/fault", "tutti/internal/phrase", "tutti/inventory", "tutti/runner"},

	"tutti/inventory/ansible":   {"tutti/internal/hostkeys", "tutti/inventory/layer", "tutti/inventory/sshconfig", "tutti/internal/hostlist", "tutti/internal/yamltree", "tutti/internal/filekind"},
	"tutti/inventory/sshconfig": {"tutti/internal/hostkeys", "tutti/inventory/layer", "tutti/internal/hostlist", "tutti/internal/yamltree", "tutti/internal/filekind", "tutti/internal/safefile"},
	"tutti/inventory/layer":     {"tutti/internal/hostkeys", "tutti/internal/hostlist", "tutti/internal/quantity", "tutti/internal/safefile", "tutti/internal/yamltree"},
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range listPackages(t) {
		allowed, known := mayImport[p.ImportPath]
		if !known {
			t.Errorf("%s is not in the picture: add it here and to ARCHITECTURE.md", p.ImportPath)
			continue
		}
		for _, path := range p.Imports {
			ours := path == "tutti" || strings.HasPrefix(path, "tutti/")
			if ours && !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", p.ImportPath, path)
			}
			if strings.HasPrefix(path, "github.com/spf13/") && !strings.HasPrefix(p.ImportPath+"/", "tutti/cmd/") {
				t.Errorf("%s imports %s: flags are for the command line", p.ImportPath, path)
			}
			if p.ImportPath == "tutti/fanout" && strings.Contains(path, ".") {
				t.Errorf("%s imports %s: the core has the standard library only", p.ImportPath, path)
			}
		}
	}
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// listPackages are the packages of the program, and of bench and browser, which are
// modules of their own.
func listPackages(tb testing.TB) []goPackage {
	tb.Helper()
	return append(append(listModule(tb, "."), listModule(tb, "bench")...), listModule(tb, "browser")...)
}

func listModule(tb testing.TB, dir string) []goPackage {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("go list: %v", err)
	}
	var packages []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			tb.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
}
