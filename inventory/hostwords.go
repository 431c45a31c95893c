package inventory

import (
	"fmt"
	"slices"
	"strings"

	"tutti/internal/filekind"
	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// splitHosts splits a list of hosts, as typed or as a shell inserts a file or a
// program's output: at commas and spaces outside of brackets. A single comma may end
// the list. In a list of several lines a # at the start of a word begins a comment.
func splitHosts(text string) ([]hostlist.Word, *hostlist.SyntaxError) {
	var list []hostlist.Word
	comments := strings.Contains(text, "\n")
	comma := true // as if before the first: an empty word is a mistake
	for at := 0; at < len(text); {
		switch c := text[at]; {
		case hostlist.IsSpace(c):
			at++
		case c == '#' && comments:
			line, _, _ := strings.Cut(text[at:], "\n")
			at += len(line)
		case c == ',' && comma:
			return nil, hostlist.Errorf(at, "missing host")
		case c == ',':
			comma = true
			at++
		default:
			end := hostEnd(text, at)
			list = append(list, hostlist.Word{Text: text[at:end], Offset: at})
			comma = false
			at = end
		}
	}
	if len(list) == 0 {
		return nil, hostlist.Errorf(0, "missing host")
	}
	return list, nil
}

// hostEnd is the end of the word that starts at an offset.
func hostEnd(text string, at int) int {
	depth := 0
	for i := at; i < len(text); i++ {
		switch c := text[i]; {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case (c == ',' || hostlist.IsSpace(c)) && depth <= 0:
			return i
		}
	}
	return len(text)
}

// HostsOf reads a list of hosts, one per line or several separated by commas, and
// returns it as one text for [ParseHosts]. An error names the place in the file, but
// quotes nothing of it.
func HostsOf(path string, data []byte) (string, error) {
	if err := checkText(path, data); err != nil {
		return "", err
	}
	var problems yamltree.Problems
	b, l := newBuilder(&problems), layer.New()
	var words []string
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		number++
		text := withoutComment(line)
		if strings.Trim(text, spaces) == "" {
			continue
		}
		for w := range hostlist.Split(strings.TrimRight(text, spaces+",")) {
			words = append(words, w.Text)
			at := layer.Origin{File: path, Line: number, Via: "host"}
			if err := plainWord(l, w, at, b); err != nil {
				at.Column = hostlist.Column(line, err.Offset)
				problems.Addf(at.Pos(), "%v", err)
				break // one mistake of a line is enough
			}
		}
	}
	switch err := problems.Err(); {
	case err != nil:
		return "", yamltree.Bare(err)
	case len(words) == 0:
		return "", &NoMatchError{Item: path, reason: "contains no hosts: the file is empty"}
	}
	return strings.Join(words, ","), nil
}

// WithHostFiles replaces the words @FILE in a list of hosts by the hosts in the file.
// read returns the content of a file; @- is standard input.
func WithHostFiles(words string, read func(path string) ([]byte, error)) (string, error) {
	list, mistake := splitHosts(words)
	if mistake != nil || !slices.ContainsFunc(list, isFile) {
		return words, nil // ParseHosts reports what is wrong
	}
	texts := make([]string, len(list))
	for i, w := range list {
		texts[i] = w.Text
		if !isFile(w) {
			continue
		}
		path := w.Text[1:]
		if path == "" {
			return "", hostlist.AtColumn(words, hostlist.Errorf(w.Offset+1, "missing file name"))
		}
		data, err := read(path)
		if err != nil {
			return "", fmt.Errorf("read the hosts in %s: %w", w.Text, err)
		}
		if texts[i], err = HostsOf(path, data); err != nil {
			return "", err
		}
	}
	return strings.Join(texts, ","), nil
}

// isFile reports whether a word names a file of hosts.
func isFile(w hostlist.Word) bool { return strings.HasPrefix(w.Text, "@") }

// checkText returns an error if data is no text for people: a key or the like, or
// binary.
func checkText(path string, data []byte) error {
	if err := filekind.Check(data); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := yamltree.CheckText(path, data); err != nil {
		return err
	}
	return nil
}
