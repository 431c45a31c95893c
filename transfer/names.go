package transfer

import (
	"crypto/rand"
	"fmt"
	"path"
	"regexp"
	"strings"

	"tutti/fanout"
)

const (
	// longestTemp is how much of a name is in its temporary one: file systems allow 255
	// bytes.
	longestTemp = 200
	tempMark    = ".tutti-"
	tempRandom  = 12
)

// tempFor is a temporary name beside file, that nobody can foresee.
func tempFor(file string) string {
	dir, name := path.Split(file)
	return dir + tempPrefix(name) + rand.Text()[:tempRandom]
}

func tempPrefix(name string) string {
	if len(name) > longestTemp {
		name = name[:longestTemp]
	}
	return "." + name + tempMark
}

// isTempOf reports whether entry is a temporary name of the file name, which an earlier
// copy has left.
func isTempOf(entry, name string) bool {
	rest, ok := strings.CutPrefix(entry, tempPrefix(name))
	return ok && len(rest) == tempRandom && strings.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// ExpandDest replaces {host} and {label.NAME} in dest by what they are for t.
func ExpandDest(dest string, t *fanout.Target) (string, error) {
	var wrong error
	out := placeholder.ReplaceAllStringFunc(dest, func(word string) string {
		name := word[1 : len(word)-1]
		if name == "host" {
			return t.Name
		}
		label, ok := strings.CutPrefix(name, "label.")
		value, has := t.Labels[label]
		switch {
		case !ok:
			wrong = fmt.Errorf("%q: want {host} or {label.NAME}", word)
		case !has:
			wrong = fmt.Errorf("%s has no label %q, which the destination %q names", t.Name, label, dest)
		case value == "" || value == "." || value == ".." || strings.ContainsAny(value, "/\x00"):
			wrong = fmt.Errorf("label %s of %s is %q, which is no name of a file", label, t.Name, value)
		}
		return value
	})
	return out, wrong
}

// CheckPath refuses a path on a host that could not be meant.
func CheckPath(p string) error {
	switch {
	case p == "":
		return fmt.Errorf("an empty path")
	case strings.ContainsRune(p, 0):
		return fmt.Errorf("the path contains a NUL byte")
	case strings.HasPrefix(p, "~") && p != "~" && !strings.HasPrefix(p, "~/"):
		return fmt.Errorf("%s: want an absolute path, or ~/ for the home directory", p)
	}
	return nil
}

// homeless is p without the ~ of the home directory, where relative paths begin.
func homeless(p string) string {
	switch {
	case p == "~", p == "~/":
		return "./"
	case strings.HasPrefix(p, "~/"):
		return strings.TrimLeft(p[2:], "/")
	}
	return p
}
