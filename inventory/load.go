package inventory

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"tutti/internal/yamltree"
	"tutti/inventory/ansible"
	"tutti/inventory/layer"
)

// Load reads files and unites them in their order. What is wrong with the
// contents of a file is reported all at once, a line for each mistake, as
// file:line:column: message. A file that is a program is run if it is Named; ctx
// bounds that, and it is killed after 30 s in any case. The error is a
// [*ProgramError] if that fails.
func Load(ctx context.Context, files []layer.File) (*Inventory, error) {
	return LoadWith(ctx, files, nil)
}

// LoadWith is Load with env as the environment of files that are programs; nil:
// that of this process.
func LoadWith(ctx context.Context, files []layer.File, env []string) (*Inventory, error) {
	var problems yamltree.Problems
	l := &loader{builder: newBuilder(&problems), env: env}
	for _, f := range files {
		data, info, err := layer.Read(f)
		if err != nil {
			return nil, err
		}
		if err := l.file(ctx, f, data, info); err != nil {
			return nil, err
		}
	}
	if err := l.flush(); err != nil {
		return nil, err
	}
	return l.builder.build()
}

// A loader reads files one after the other.
type loader struct {
	builder *builder
	env     []string // of programs; nil: that of this process
	// ansible holds the last files if they are Ansible's, which are read as one
	// inventory; else nil.
	ansible *ansible.Inventory
}

// flush adds the consecutive Ansible files as one layer.
func (l *loader) flush() error {
	if l.ansible == nil {
		return nil
	}
	all, err := l.ansible.Layer()
	if err != nil {
		return err
	}
	l.ansible = nil
	l.builder.add(all)
	return nil
}

// add adds what a file in tutti's own formats says.
func (l *loader) add(own *layer.Layer, err error) error {
	if err != nil {
		return err
	}
	if err := l.flush(); err != nil {
		return err
	}
	l.builder.add(own)
	return nil
}

// ansibles returns the inventory for the next Ansible file.
func (l *loader) ansibles() *ansible.Inventory {
	if l.ansible == nil {
		l.ansible = ansible.New(&l.builder.Tally)
	}
	return l.ansible
}

// file reads one file's contents.
func (l *loader) file(ctx context.Context, f layer.File, data []byte, info fs.FileInfo) error {
	text := strings.TrimPrefix(string(data), "\ufeff")
	kind := formatOf(f.Path, text, info.Mode())
	if kind == formatProgram {
		return runProgram(ctx, l.ansibles(), f, &program{path: f.Path, env: l.env, timeout: programTimeout, output: programOutput})
	}
	if err := checkText(f.Path, data); err != nil {
		return fmt.Errorf("inventory %w", err)
	}
	switch kind {
	case formatScript:
		return fmt.Errorf("inventory %s looks like a program but is not executable: chmod +x it", f.Path)
	case formatPlain:
		if hasVarsDirectory(f.Path) {
			l.builder.Warnf("%s: %s and %s next to it are ignored: user@host and ranges such as [1-3] make it a list of tutti's, not an inventory of Ansible's",
				f.Path, ansible.GroupVars, ansible.HostVars)
		}
		return l.add(parsePlain(f, text, l.builder))
	case formatINI:
		err := l.ansibles().ReadINI(f, text)
		if !surelyAnsible.MatchString(text) {
			err = yamltree.Bare(err) // many programs keep their secrets in such files
		}
		return err
	}
	root, err := yamltree.ParseLoose(f.Path, []byte(text))
	if err != nil {
		return err
	}
	if isAnsible(root) {
		return l.ansibles().ReadYAML(f, root)
	}
	return l.add(parseYAML(f, root, l.builder))
}
