package ssh

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"tutti/fanout"
	"tutti/internal/sanitize"
)

const (
	// maxGreeting bounds what is kept of the text before a version line.
	maxGreeting = 1024
	// maxGreetingLine and maxGreetingLines bound that text itself, as ssh does.
	maxGreetingLine  = 8 << 10
	maxGreetingLines = 1024
	// maxVersion is the longest version line, without its last byte, that the SSH
	// library takes. The line is part of what both sides sign, so that it cannot
	// be shortened for the library.
	maxVersion = 254
)

// A greetingError is the start of a connection that is not that of an SSH host,
// or not of one that the library can speak to.
type greetingError struct {
	message string
	cause   fanout.Cause // empty: the operator can do nothing about it
}

// Error is the message.
func (e *greetingError) Error() string { return e.message }

// noSSHHost is about a host where something else listens.
func noSSHHost(format string, args ...any) error {
	return &greetingError{message: "not an SSH server: " + fmt.Sprintf(format, args...), cause: CausePort}
}

// otherProtocol is what a server speaks whose first line begins so; empty: it may be
// SSH, before whose version line may stand what no other protocol begins with.
func otherProtocol(line []byte) string {
	for _, p := range [...]struct{ prefix, name string }{
		{"HTTP/", "HTTP"},
		{"220 ", "SMTP or FTP"},
		{"220-", "SMTP or FTP"},
		{"+OK", "POP3"},
		{"* OK", "IMAP"},
		{"RFB ", "VNC"},
		{"-ERR", "Redis"},
		{"\x15\x03", "TLS"},
	} {
		if bytes.HasPrefix(line, []byte(p.prefix)) {
			return p.name
		}
	}
	return ""
}

// A greeting reads the start of a connection, in large pieces where the
// library asks for single bytes. It keeps the text that stands before the
// version line for itself: there a busy or hostile host says why it hangs up,
// and the library would not bear lines as long as ssh does.
type greeting struct {
	from     io.Reader
	buffered *bufio.Reader // of from; nil once it has nothing more to give
	version  bool          // the version line has come
	heard    func()        // called when it comes; may be nil
	line     []byte        // the line so far; of the version line what is still to be read
	lines    int           // how many have come before the version line
	text     []byte        // the beginning of them
}

func newGreeting(from io.Reader) greeting {
	return greeting{from: from, buffered: bufio.NewReaderSize(from, 512)}
}

// ahead reports whether read has something to give without waiting.
func (g *greeting) ahead() bool {
	return g.version && (len(g.line) > 0 || g.buffered != nil && g.buffered.Buffered() > 0)
}

func (g *greeting) read(p []byte) (int, error) {
	for !g.version && g.buffered != nil {
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	if len(g.line) > 0 {
		n := copy(p, g.line)
		if g.line = g.line[n:]; len(g.line) == 0 {
			g.line = nil
		}
		return n, nil
	}
	if g.buffered != nil && g.buffered.Buffered() == 0 {
		g.buffered = nil
	}
	if g.buffered == nil {
		return g.from.Read(p)
	}
	return g.buffered.Read(p)
}

// next reads some of a line, or to its end.
func (g *greeting) next() error {
	part, err := g.buffered.ReadSlice('\n')
	g.line = append(g.line, part...)
	if other := otherProtocol(g.line); other != "" && g.lines == 0 {
		return noSSHHost("it speaks %s", other)
	}
	switch {
	case len(g.line) > maxGreetingLine:
		return noSSHHost("it sent a line of more than %d bytes", maxGreetingLine)
	case errors.Is(err, bufio.ErrBufferFull):
		return nil
	case err != nil:
		return err
	case !bytes.HasPrefix(g.line, []byte("SSH-")):
		g.keepLine()
		if g.lines++; g.lines > maxGreetingLines {
			return noSSHHost("it sent %d lines without a version", maxGreetingLines)
		}
		return nil
	}
	if n := len(g.line) - 1; n > maxVersion {
		return &greetingError{
			message: fmt.Sprintf("the host's SSH banner has %d bytes; tutti accepts at most %d", n, maxVersion),
			cause:   CauseVersion,
		}
	}
	if g.version = true; g.heard != nil {
		g.heard()
	}
	return nil
}

func (g *greeting) keepLine() {
	if room := maxGreeting - len(g.text); room > 0 {
		g.text = append(g.text, g.line[:min(room, len(g.line))]...)
	}
	g.line = g.line[:0]
}

// said is the text before the version line, and what there is of a line that
// was never finished.
func (g *greeting) said() string {
	if !g.version {
		g.keepLine()
	}
	return sanitize.Line(string(g.text), maxGreeting)
}
