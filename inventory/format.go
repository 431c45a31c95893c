package inventory

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
	"tutti/inventory/ansible"
)

// A format is what an inventory file is written in.
type format int

const (
	formatYAML format = iota
	formatPlain
	formatINI
	formatProgram
	formatScript // a program that is not executable
)

// formatOf returns a file's format, by its ending, else by its contents. A program
// must be executable and begin like a program: some file systems make every file
// executable.
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
		return formatOfList(path, text)
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
	}
	return formatOfList(path, text)
}

// formatOfList distinguishes Ansible's INI from a plain list of hosts. A list without
// variables is Ansible's if its directory holds some, unless it has what only a plain
// list can have.
func formatOfList(path, text string) format {
	if looksINI(text) || hasVarsDirectory(path) && !ownSign.MatchString(text) {
		return formatINI
	}
	return formatPlain
}

// hasVarsDirectory reports whether a directory of variables lies next to a file, as
// with Ansible's inventories.
func hasVarsDirectory(path string) bool {
	for _, directory := range []string{ansible.GroupVars, ansible.HostVars} {
		if info, err := os.Stat(filepath.Join(filepath.Dir(path), directory)); err == nil && info.IsDir() {
			return true
		}
	}
	return false
}

// ownSign matches what no Ansible inventory contains: a user before a host, or one
// of tutti's ranges.
var ownSign = regexp.MustCompile(`(?m)^[^#\n]*(\w@[\w\[]|\[\w+[-,][^\]:\n]*\])`)

// surelyAnsible matches what no INI file but an inventory contains.
var surelyAnsible = regexp.MustCompile(`(?m)^\[[^\]\n]+:(vars|children)\]|(^|[ \t])ansible_\w+[ \t]*=`)

// ansibleSign matches what no plain list contains: a range of Ansible's, or a variable
// behind a host.
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
	if !ok || hostlist.IsIPv6(inner) {
		return false
	}
	// What has a comma, or a dash between numbers, is rather a range alone on its
	// line.
	name, _, _ := strings.Cut(inner, ":")
	return strings.Trim(name, "0123456789-/") != "" && !strings.ContainsAny(name, "[],") || hostlist.IsNumber(name)
}

// firstLine is the first line that is not empty, without its comment.
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

// isAnsible reports whether YAML is one of Ansible's inventories: it has groups at
// the top, and no key of tutti's own.
func isAnsible(root yamltree.Node) bool {
	for key := range root.Fields() {
		if slices.Contains(topKeys, key.Text()) {
			return false
		}
	}
	return ansible.IsInventory(root)
}
