package knownhosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"
)

// A Line is a line of a known_hosts file.
type Line struct {
	File string
	// Line counts from 1; 0 is a line that was added in this run.
	Line int
	// Type and Fingerprint (SHA256) of its key.
	Type, Fingerprint string
}

// A Change is a key that a host is to be known by.
type Change struct {
	Host Host
	Key  gossh.PublicKey
}

// Replace writes the keys of changes to the target, in one step. It removes all other
// keys of these hosts; a line that names no other host is removed whole. If a line
// cannot be changed without affecting other hosts, Replace returns an error and writes
// nothing.
func (h *Files) Replace(ctx context.Context, changes []Change) error {
	f, unlock, err := h.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	h.refresh(f.File)
	data, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(data), "\n")
	if last := len(lines) - 1; lines[last] != "" {
		lines[last] += "\n"
	}
	added, err := h.apply(lines, changes)
	if err != nil {
		return err
	}
	err = f.place.ReplaceFile(f.File, func(w io.Writer) error {
		_, err := io.WriteString(w, strings.Join(lines, "")+added)
		return err
	})
	if err != nil {
		return err
	}
	h.load(os.ReadFile) // it is ours
	return nil
}

// apply removes outdated keys from lines, and returns the lines to add.
func (h *Files) apply(lines []string, changes []Change) (string, error) {
	var added []string
	known, written := map[string]bool{}, map[string]bool{} // lines and names
	for _, c := range changes {
		n := c.Host.names()
		v := h.classify(n, string(c.Key.Marshal()))
		switch v.verdict {
		case Known:
			continue
		case Revoked:
			return "", fmt.Errorf("the key of %s is revoked", n.full[0])
		}
		for _, k := range v.others {
			if err := h.forget(lines, k, n); err != nil {
				return "", err
			}
		}
		names := n.written(func(name string) bool { return written[name] || h.speaksOf(name, v.others) })
		if line := newLines(names, c.Key, false); !known[line] { // two names of one host
			known[line] = true
			added = append(added, newLines(names, c.Key, c.Host.HashNames))
		}
		for _, name := range names {
			written[name] = true
		}
	}
	return strings.Join(added, ""), nil
}

// speaksOf reports whether lines hold keys for name, other than those that are
// to go.
func (h *Files) speaksOf(name string, gone []*knownKey) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.ContainsFunc(slices.Concat(h.known.plain(name), h.known.scan(name)), func(k *knownKey) bool {
		return !slices.Contains(gone, k)
	})
}

// errFileChanged is a file that a process without the lock has written to.
var errFileChanged = errors.New("it was changed by another process; try again")

// forget takes the names out of the line that holds k.
func (h *Files) forget(lines []string, k *knownKey, names hostNames) error {
	if k.file != h.files[0] {
		return fmt.Errorf("%s holds another key of %s: only you can change that file", k.where(), names.full[0])
	}
	if k.line < 1 || k.line > len(lines) {
		return errFileChanged
	}
	line := lines[k.line-1]
	if line == "" { // it named the host more than once
		return nil
	}
	if !strings.Contains(line, encode([]byte(k.blob))) {
		return errFileChanged
	}
	field, rest, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
	if tab := strings.IndexByte(field, '\t'); tab >= 0 {
		field, rest = field[:tab], field[tab+1:]+" "+rest
	}
	switch {
	case strings.HasPrefix(field, "|"):
		lines[k.line-1] = ""
		return nil
	case strings.ContainsAny(field, "*?!"):
		return fmt.Errorf("%s covers more hosts than %s: change it yourself", k.where(), names.full[0])
	}
	left := slices.DeleteFunc(strings.Split(field, ","), func(name string) bool {
		return slices.Contains(names.all(), strings.ToLower(name))
	})
	lines[k.line-1] = ""
	if len(left) > 0 {
		lines[k.line-1] = strings.Join(left, ",") + " " + rest
	}
	return nil
}
