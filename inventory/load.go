package inventory

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tutti/internal/yamltree"
)

// maxFileSize is how large a file may be that we read whole.
const maxFileSize = 64 << 20

// Load reads files and unites them in their order. What is wrong with the
// contents of a file is reported all at once, a line for each mistake, as
// file:line:column: message. A file that is a program is run if it is Named; ctx
// bounds that, and it is killed after 30 s in any case. The error is a
// [*ProgramError] if that fails.
func Load(ctx context.Context, files []File) (*Inventory, error) {
	return LoadWith(ctx, files, nil)
}

// LoadWith is Load with env as the environment of files that are programs; nil:
// that of this process.
func LoadWith(ctx context.Context, files []File, env []string) (*Inventory, error) {
	var problems yamltree.Problems
	l := &loader{builder: newBuilder(&problems), env: env}
	for _, f := range files {
		data, info, err := readInventory(f)
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
	env     []string // of programs; nil: ours
	// ansible is what the last files say if they are Ansible's, which are read
	// as one inventory; else nil.
	ansible *ansible
}

// flush adds what Ansible's files say, once there are no more of them in a row.
func (l *loader) flush() error {
	if l.ansible == nil {
		return nil
	}
	layer, err := l.ansible.layer()
	if err != nil {
		return err
	}
	l.ansible = nil
	l.builder.add(layer)
	return nil
}

// add adds what a file of our own says.
func (l *loader) add(own *layer, err error) error {
	if err != nil {
		return err
	}
	if err := l.flush(); err != nil {
		return err
	}
	l.builder.add(own)
	return nil
}

// ansibles is what the next file of Ansible's is read into.
func (l *loader) ansibles() *ansible {
	if l.ansible == nil {
		l.ansible = newAnsible(l.builder)
	}
	return l.ansible
}

// readInventory reads a file whole, and checks who may have written it if
// nobody named it.
func readInventory(f File) ([]byte, fs.FileInfo, error) {
	if f.Trust == Found {
		// Whoever owns a link decides what it leads to.
		info, err := os.Lstat(f.Path)
		if err == nil {
			err = checkOwner(info)
		}
		if err == nil {
			err = checkFolders(f.Path, info)
		}
		if err != nil {
			return nil, nil, untrusted(f, err)
		}
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, nil, fmt.Errorf("read inventory: %w", err)
	}
	defer func() { _ = file.Close() }() // nothing was written
	info, err := file.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("read inventory: %w", err)
	}
	if info.IsDir() {
		return nil, nil, fmt.Errorf("read inventory: %s is a directory; name the files in it, each with -i", f.Path)
	}
	if f.Trust == Found {
		if err := checkOwner(info); err != nil {
			return nil, nil, untrusted(f, err)
		}
	}
	data, err := readAll(file)
	if err != nil {
		return nil, nil, fmt.Errorf("read inventory %s: %w", f.Path, err)
	}
	return data, info, nil
}

// checkFolders looks at the folder of a file, and of what the file is a link to.
func checkFolders(path string, info fs.FileInfo) error {
	if err := checkFolder(path); err != nil || info.Mode().Type() != fs.ModeSymlink {
		return err
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	return checkFolder(target)
}

func untrusted(f File, err error) error {
	return fmt.Errorf("inventory %s is not used: %w; -i uses it all the same", f.Path, err)
}

// readAll reads to the end, up to maxFileSize.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("it is larger than %d MiB", maxFileSize>>20)
	}
	return data, nil
}

// file reads one file's contents.
func (l *loader) file(ctx context.Context, f File, data []byte, info fs.FileInfo) error {
	text := strings.TrimPrefix(string(data), "\ufeff")
	kind := formatOf(f.Path, text, info.Mode())
	if kind == formatProgram {
		return l.ansibles().runProgram(ctx, f, &program{path: f.Path, env: l.env, timeout: programTimeout, output: programOutput})
	}
	if err := checkText(f.Path, data); err != nil {
		return fmt.Errorf("inventory %w", err)
	}
	switch kind {
	case formatScript:
		return fmt.Errorf("inventory %s begins as a program does, and is not executable; chmod +x mends that", f.Path)
	case formatPlain:
		if besideVars(f.Path) {
			l.builder.warnf("%s: the %s and %s beside it are not read: user@host and ranges such as [1-3] are of tutti's lists, not of Ansible's",
				f.Path, groupVarsFolder, hostVarsFolder)
		}
		return l.add(parsePlain(f, text, l.builder))
	case formatINI:
		err := l.ansibles().parseINI(f, text)
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
		return l.ansibles().parseYAML(f, root)
	}
	return l.add(parseYAML(f, root, l.builder))
}
