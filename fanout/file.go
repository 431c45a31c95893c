package fanout

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrNoSubsystem is a host that does not have the subsystem that was asked for.
var ErrNoSubsystem = errors.New("the host does not have the subsystem")

// What became of a file of a Transfer.
const (
	FileSent      = "sent"
	FileUnchanged = "unchanged"
	FileFailed    = "failed"
	// FileSkipped is a file that is left out on purpose.
	FileSkipped = "skipped"
	// FileWouldSend is FileSent of a transfer that only looks.
	FileWouldSend = "would send"
)

// A File is what became of one file of a Transfer on one target.
type File struct {
	// Path on the target; of a directory it ends with a slash.
	Path  string
	State string
	// Bytes is its size.
	Bytes int64
	// SHA256 of its content, in hexadecimal; empty: it has none, or it is not known.
	SHA256 string
	// As is its name on this machine, where that had to be another one; else empty.
	As string
	// Error says why it failed or was skipped.
	Error string
}

// Counts reports whether f has a size: it is a file, or a link, that has a content.
func (f File) Counts() bool {
	return f.State != FileFailed && f.State != FileSkipped && !strings.HasSuffix(f.Path, "/")
}

// Line is f on one line without its end: what people read, what the history records
// of it, and what ParseFile reads.
func (f File) Line() string {
	var b strings.Builder
	b.WriteString(f.State + " " + linePath(f.Path))
	switch {
	case f.State == FileFailed, f.State == FileSkipped:
		b.WriteString(": " + f.Error)
		return b.String()
	case !f.Counts():
		return b.String()
	}
	fmt.Fprintf(&b, " (%d bytes", f.Bytes)
	if f.SHA256 != "" {
		b.WriteString(", sha256 " + f.SHA256)
	}
	b.WriteString(")")
	if f.As != "" {
		b.WriteString(" as " + linePath(f.As))
	}
	return b.String()
}

// linePath is path, between quotes if it would not read as one word.
func linePath(path string) string {
	odd := func(r rune) bool {
		return r == utf8.RuneError || unicode.IsSpace(r) || r == '"' || r == ':' || !unicode.IsPrint(r)
	}
	if path == "" || strings.ContainsFunc(path, odd) {
		return strconv.Quote(path)
	}
	return path
}

var (
	doneLine   = regexp.MustCompile(`^(sent|unchanged|would send) ("(?:[^"\\]|\\.)*"|[^" ]+)(?: \((\d+) bytes(?:, sha256 ([0-9a-f]{64}))?\)(?: as ("(?:[^"\\]|\\.)*"|[^" ]+))?)?$`)
	failedLine = regexp.MustCompile(`^(failed|skipped) ("(?:[^"\\]|\\.)*"|[^" :]+): (.*)$`)
)

// ParseFile reads a Line; false: it is none.
func ParseFile(line string) (File, bool) {
	if m := failedLine.FindStringSubmatch(line); m != nil {
		path, ok := readPath(m[2])
		return File{State: m[1], Path: path, Error: m[3]}, ok
	}
	m := doneLine.FindStringSubmatch(line)
	if m == nil {
		return File{}, false
	}
	path, ok := readPath(m[2])
	f := File{State: m[1], Path: path, SHA256: m[4]}
	if m[3] != "" {
		var err error
		f.Bytes, err = strconv.ParseInt(m[3], 10, 64)
		ok = ok && err == nil
	}
	if m[5] != "" {
		var named bool
		f.As, named = readPath(m[5])
		ok = ok && named
	}
	if (m[3] == "") != strings.HasSuffix(path, "/") {
		return File{}, false
	}
	return f, ok
}

func readPath(word string) (string, bool) {
	if !strings.HasPrefix(word, `"`) {
		return word, true
	}
	path, err := strconv.Unquote(word)
	return path, err == nil
}
