package ansible

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// oracleDir holds inventories, and what Ansible says of them; the tests of package
// inventory say more of it.
const oracleDir = "../testdata/ansible"

// TestVariablesAreAnsibles compares the variables that mean something here, host by
// host, with those that ansible-inventory has printed.
func TestVariablesAreAnsibles(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	cases, err := os.ReadFile(filepath.Join(oracleDir, "cases"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(cases)) {
		words := strings.Fields(line)
		t.Run(words[0], func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(oracleDir, words[0]+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var want struct {
				Meta struct {
					HostVars map[string]map[string]json.RawMessage
				} `json:"_meta"`
			}
			if err := json.Unmarshal(data, &want); err != nil {
				t.Fatal(err)
			}
			a := New(&layer.Tally{})
			for _, name := range words[1:] {
				readFile(t, a, layer.File{Path: filepath.Join(oracleDir, name), Trust: layer.Named})
			}
			checkVariables(t, a, want.Meta.HostVars)
		})
	}
}

// readFile reads a file by its kind.
func readFile(t *testing.T, a *Inventory, f layer.File) {
	t.Helper()
	data, info, err := layer.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	switch ext := filepath.Ext(f.Path); {
	case info.Mode().Perm()&0o111 != 0:
		err = a.ReadProgram(t.Context(), f, &shellProgram{f.Path})
	case ext == ".yml" || ext == ".yaml":
		var root yamltree.Node
		if root, err = yamltree.ParseLoose(f.Path, data); err == nil {
			err = a.ReadYAML(f, root)
		}
	default:
		err = a.ReadINI(f, string(data))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func checkVariables(t *testing.T, a *Inventory, want map[string]map[string]json.RawMessage) {
	t.Helper()
	vars := a.resolve()
	for i, h := range a.hosts {
		for v, name := range variableNames {
			got := "nothing"
			if x := vars[i][v]; x != nil {
				got = fmt.Sprintf("%q null %v %s", x.text, x.null, x.problem)
			}
			expected := "nothing"
			if raw, ok := want[h.name][name]; ok {
				r := programReader{source: &source{}}
				x := r.value(raw, "")
				expected = fmt.Sprintf("%q null %v %s", x.text, x.null, x.problem)
			}
			if got != expected {
				t.Errorf("host %s: %s: got %s, and ansible-inventory says %s", h.name, name, got, expected)
			}
		}
	}
}

// A shellProgram is an inventory that is run.
type shellProgram struct{ path string }

func (p *shellProgram) Run(ctx context.Context, args ...string) ([]byte, error) {
	path, err := filepath.Abs(p.path)
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, path, args...).Output()
}

func (p *shellProgram) Failed(args []string, err error) error {
	return fmt.Errorf("%s %s: %w", p.path, strings.Join(args, " "), err)
}

func (p *shellProgram) TimedOut(error) bool { return false }
