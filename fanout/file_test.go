package fanout

import (
	"strings"
	"testing"
)

func TestFileLineIsReadBack(t *testing.T) {
	sum := strings.Repeat("0123456789abcdef", 4)
	for _, f := range []File{
		{Path: "/etc/app.conf", State: FileSent, Bytes: 1234, SHA256: sum},
		{Path: "/srv/tree/", State: FileSent},
		{Path: "/srv/link", State: FileUnchanged, Bytes: 3},
		{Path: "/srv/two words", State: FileWouldSend, SHA256: sum},
		{Path: "/srv/line\nbreak\x1b[2J\xff: x", State: FileSent, Bytes: 1, SHA256: sum},
		{Path: "/var/log/x", State: FileSent, Bytes: 7, SHA256: sum, As: "%2Ex y"},
		{Path: "/a:b", State: FileFailed, Error: "permission denied: really"},
		{Path: `/quo"te`, State: FileSkipped, Error: "a link out of the tree"},
	} {
		line := f.Line()
		if strings.ContainsAny(line, "\n\x1b") {
			t.Errorf("%q is no line", line)
		}
		if got, ok := ParseFile(line); !ok || got != f {
			t.Errorf("%s is read as %+v, %v; want %+v", line, got, ok, f)
		}
	}
}

func TestOtherLinesAreNoFiles(t *testing.T) {
	for _, line := range []string{
		"", "sent", "sent /x", "sent /x (12 bytes", "sent /x/ (12 bytes)", "sent two words (1 bytes)",
		"failed /x", "stopped /x: why", `sent "/x (1 bytes)`, "sent /x (99999999999999999999 bytes)",
	} {
		if f, ok := ParseFile(line); ok {
			t.Errorf("%q is read as %+v", line, f)
		}
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add("sent /etc/app.conf (1234 bytes)")
	f.Add("failed \"a b\": why not")
	f.Fuzz(func(t *testing.T, line string) {
		file, ok := ParseFile(line)
		if !ok || strings.ContainsAny(line, "\n\r") {
			return
		}
		if again, ok := ParseFile(file.Line()); !ok || again != file {
			t.Errorf("%q is %+v, whose line %q is %+v, %v", line, file, file.Line(), again, ok)
		}
	})
}
