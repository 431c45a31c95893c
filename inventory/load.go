package inventory

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
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
	var problems yamltree.Problems
	l := &loader{builder: newBuilder(&problems)}
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

// A format is what an inventory file is written in.
type format int

const (
	formatYAML format = iota
	formatPlain
	formatINI
	formatProgram
	formatScript // a program that is not executable
)

// file reads one file's contents.
func (l *loader) file(ctx context.Context, f File, data []byte, info fs.FileInfo) error {
	text := strings.TrimPrefix(string(data), "\ufeff")
	kind := formatOf(f.Path, text, info.Mode())
	if kind == formatProgram {
		return l.ansibles().runProgram(ctx, f, &program{path: f.Path, timeout: programTimeout, output: programOutput})
	}
	if err := yamltree.CheckText(f.Path, data); err != nil {
		return err
	}
	switch kind {
	case formatScript:
		return fmt.Errorf("inventory %s begins as a program does, and is not executable; chmod +x mends that", f.Path)
	case formatPlain:
		return l.add(parsePlain(f, text, l.builder))
	case formatINI:
		return l.ansibles().parseINI(f, text)
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

// formatOf tells a file's format by its ending, else by its contents. A program
// is what is executable and begins as the system wants it of programs: some
// file systems take every file for executable.
func formatOf(path, text string, mode fs.FileMode) format {
	executable := mode.IsRegular() && mode.Perm()&0o111 != 0
	if executable && (strings.HasPrefix(text, "#!") || strings.Contains(text[:min(len(text), 512)], "\x00")) {
		return formatProgram
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml", ".json":
		return formatYAML
	case ".ini", ".cfg":
		return formatINI
	case ".list", ".txt":
		if looksINI(text) {
			return formatINI
		}
		return formatPlain
	}
	if strings.HasPrefix(text, "#!") {
		return formatScript
	}
	line := firstLine(text)
	switch {
	case isSection(line) || strings.Contains(line, " ansible_"):
		return formatINI
	case strings.HasSuffix(line, ":"), strings.Contains(line, ": "),
		strings.HasPrefix(line, "{"), line == "---":
		return formatYAML
	case looksINI(text):
		return formatINI
	}
	return formatPlain
}

// ansibleSign is what stands in no plain list: a range of Ansible's, or a
// variable behind a host.
var ansibleSign = regexp.MustCompile(`\[(\d*:\d+|[a-zA-Z]:[a-zA-Z])(:\d+)?\]|[ \t]\w+=|^;`)

// looksINI reports whether some line of a text is one of an INI file.
func looksINI(text string) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(withoutComment(line))
		if isSection(line) || ansibleSign.MatchString(line) {
			return true
		}
	}
	return false
}

// isSection reports whether line is the heading of a section in an INI file.
func isSection(line string) bool {
	inner, ok := strings.CutPrefix(line, "[")
	if !ok {
		return false
	}
	inner, ok = strings.CutSuffix(inner, "]")
	if !ok || isIPv6(inner) {
		return false
	}
	name, _, _ := strings.Cut(inner, ":")
	first := strings.TrimLeft(name, "0123456789-,/")
	return first != "" && !strings.ContainsAny(name, "[],")
}

// firstLine is the first line that says something, without its comment.
func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(withoutComment(line)); line != "" {
			return line
		}
	}
	return ""
}

// withoutComment cuts a line at a # that begins it or follows a space.
func withoutComment(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}
