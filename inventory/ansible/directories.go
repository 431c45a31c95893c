package ansible

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// The directories next to an inventory in which Ansible looks for variables: a file,
// or a directory of files, for each group and host.
const (
	GroupVars = "group_vars"
	HostVars  = "host_vars"
)

// varsEndings are those that a file of variables may have, in the order in
// which they are tried.
var varsEndings = []string{"", ".yml", ".yaml", ".json"}

// varsDirectories are those next to all files, in the files' order.
type varsDirectories []*varsDirectory

// A varsDirectory is one group_vars or host_vars.
type varsDirectory struct {
	inventory *Inventory
	source    *source
	kind      string
	path      string
	entries   map[string]fs.DirEntry
	// read is what the files for a name say.
	read map[string]*values
}

// directories finds the directories next to the files.
func (a *Inventory) directories() varsDirectories {
	var list varsDirectories
	for _, s := range a.sources {
		for _, kind := range []string{GroupVars, HostVars} {
			f := &varsDirectory{inventory: a, source: s, kind: kind, path: filepath.Join(s.dir, kind), read: make(map[string]*values)}
			entries, err := os.ReadDir(f.path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				a.problems.Addf(yamltree.Pos{File: f.path}, "read the variables: %v", err)
				continue
			}
			f.entries = make(map[string]fs.DirEntry, len(entries))
			for _, e := range entries {
				f.entries[e.Name()] = e
			}
			list = append(list, f)
		}
	}
	return list
}

// update takes over the variables of names from the directories of one kind. A later
// directory overrides an earlier one, whatever the names.
func (list varsDirectories) update(vars *values, kind string, names ...string) {
	for _, f := range list {
		if f.kind != kind {
			continue
		}
		for _, name := range names {
			vars.update(f.of(name))
		}
	}
}

// of returns what the directory says of a name.
func (f *varsDirectory) of(name string) *values {
	if vars, ok := f.read[name]; ok {
		return vars
	}
	vars := &values{}
	for _, ending := range varsEndings {
		if _, ok := f.entries[name+ending]; !ok {
			continue
		}
		via := strings.TrimSuffix(f.kind, "_vars") + " " + name
		path := filepath.Join(f.path, name+ending)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			f.directory(path, via, vars, 0)
		} else {
			f.file(path, via, vars)
		}
		break
	}
	f.read[name] = vars
	return vars
}

// directory reads the files in a directory, sorted by name.
func (f *varsDirectory) directory(path, via string, vars *values, depth int) {
	const deepest = 20
	entries, err := os.ReadDir(path)
	if err == nil && depth > deepest {
		err = errors.New("directories are nested without end")
	}
	if err != nil {
		f.inventory.problems.Addf(yamltree.Pos{File: path}, "read the variables: %v", err)
		return
	}
	for _, e := range entries {
		name := e.Name()
		// A symbolic link counts as what it leads to.
		info, err := os.Stat(filepath.Join(path, name))
		switch {
		case strings.HasPrefix(name, "."), strings.HasSuffix(name, "~"), err != nil:
		case info.IsDir() && filepath.Ext(name) == "":
			f.directory(filepath.Join(path, name), via, vars, depth+1)
		case !info.IsDir() && slices.Contains(varsEndings, filepath.Ext(name)):
			f.file(filepath.Join(path, name), via, vars)
		}
	}
}

// file reads the variables in one file. A file that is encrypted as a whole is left
// out: whether it has settings for tutti cannot be known.
func (f *varsDirectory) file(path, via string, vars *values) {
	data, _, err := layer.Read(layer.File{Path: path, Trust: f.source.file.Trust})
	if err != nil {
		f.inventory.problems.Addf(yamltree.Pos{File: path}, "%v", err)
		return
	}
	if strings.HasPrefix(string(data), vaultHeader) {
		return
	}
	root, err := yamltree.ParseLoose(path, data)
	if err != nil {
		f.inventory.add(err)
		return
	}
	if kind := root.Kind(); kind != yamltree.Map && kind != yamltree.Null {
		f.inventory.problems.Addf(root.Pos(), "%s: want a mapping from variables to values, got %s", via, kind)
		return
	}
	for key, value := range root.Merged() {
		if _, ok := variableNamed(key.Text()); ok {
			vars.set(key.Text(), yamlVar(value, via, f.source))
		}
	}
}

// add adds an error about a file that was read on the way.
func (a *Inventory) add(err error) {
	var errs *yamltree.Errors
	if !errors.As(err, &errs) {
		a.problems.Addf(yamltree.Pos{}, "%v", err)
		return
	}
	for _, e := range errs.List {
		a.problems.Addf(e.Pos, "%s", e.Msg)
	}
}

const (
	vaultHeader  = "$ANSIBLE_VAULT;"
	vaultTag     = "!vault"
	vaultProblem = "is encrypted (Ansible Vault)"
)

// yamlVar is a value in a YAML file.
func yamlVar(n yamltree.Node, via string, source *source) *value {
	at := n.Pos()
	v := &value{text: n.Text(), origin: layer.Origin{File: at.File, Line: at.Line, Column: at.Column, Via: via}, source: source}
	switch kind := n.Kind(); {
	case n.Tag() == vaultTag:
		v.problem, v.text = vaultProblem, ""
	case kind == yamltree.Null:
		v.null, v.text = true, ""
	case kind != yamltree.Scalar:
		v.problem = fmt.Sprintf("is %s, not a single value", kind)
	}
	return v
}
