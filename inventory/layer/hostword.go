package layer

import (
	"net/url"
	"strings"

	"tutti/internal/hostlist"
)

// A HostWord is a user@host:port, as it stands in lists and on command lines.
type HostWord struct {
	User, Port *Value
	Names      hostlist.Pattern
	// IPv6 says that the names are IPv6 addresses.
	IPv6 bool
	// Offset of the names in the word.
	Offset int
}

// ParseHostWord reads user@host:port, in which user and port may be missing, or
// ssh://user@host:port.
func ParseHostWord(text string) (HostWord, *hostlist.SyntaxError) {
	var w HostWord
	if i := spaceOutside(text); i >= 0 {
		return w, hostlist.Errorf(i, "a host cannot contain spaces: want user@host:port, one per line; for settings, write a YAML inventory")
	}
	if i := strings.Index(text, "://"); i >= 0 {
		return parseHostURL(text, i)
	}
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		user, err := ParseValue(KeyUser, text[:i])
		if err != nil {
			return w, hostlist.Errorf(0, "user: %v", err)
		}
		w.User, w.Offset = &user, i+1
	}
	host, port, err := splitPort(text[w.Offset:])
	if err != nil {
		err.Offset += w.Offset
		return w, err
	}
	if port != nil {
		s, err := ParseValue(KeyPort, *port)
		if err != nil {
			return w, hostlist.Errorf(w.Offset+len(host)+1, "port: %v", err)
		}
		w.Port = &s
	}
	if host == "" {
		return w, hostlist.Errorf(w.Offset, "empty name")
	}
	w.Names, err = hostlist.Parse(host)
	if err != nil {
		err.Offset += w.Offset
		return w, err
	}
	w.IPv6 = hostlist.IsIPv6(strings.Trim(host, "[]")) || CountOutside(host, ':') > 1
	return w, nil
}

// splitPort cuts :port from the end of a host. A host with several colons is an
// IPv6 address without a port.
func splitPort(text string) (host string, port *string, err *hostlist.SyntaxError) {
	if end := strings.IndexByte(text, ']'); strings.HasPrefix(text, "[") && end > 0 && hostlist.IsIPv6(text[1:end]) {
		rest := text[end+1:]
		if rest == "" {
			return text, nil, nil
		}
		p, ok := strings.CutPrefix(rest, ":")
		if !ok {
			return "", nil, hostlist.Errorf(end+1, "want :PORT after the address in brackets")
		}
		return text[:end+1], &p, nil
	}
	if CountOutside(text, ':') != 1 {
		return text, nil, nil
	}
	i := strings.LastIndexByte(text, ':')
	p := text[i+1:]
	return text[:i], &p, nil
}

// spaceOutside is the offset of the first space outside of brackets; -1 without one.
func spaceOutside(text string) int {
	depth := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case hostlist.IsSpace(c) && depth <= 0:
			return i
		}
	}
	return -1
}

// CountOutside counts the occurrences of c outside of brackets.
func CountOutside(text string, c byte) int {
	n, depth := 0, 0
	for i := range len(text) {
		switch {
		case text[i] == '[':
			depth++
		case text[i] == ']':
			depth--
		case text[i] == c && depth == 0:
			n++
		}
	}
	return n
}

// parseHostURL reads a host in the form of a URL, ssh://user@host:port, as ssh
// does; the :// is at an offset.
func parseHostURL(text string, at int) (HostWord, *hostlist.SyntaxError) {
	if !strings.EqualFold(text[:at], "ssh") {
		return HostWord{}, hostlist.Errorf(0, "%q: want ssh://user@host:port or user@host:port", text[:at])
	}
	begin := at + len("://")
	rest := strings.TrimSuffix(text[begin:], "/")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return HostWord{}, hostlist.Errorf(begin+i, "a host URL has no path: want ssh://user@host:port")
	}
	info, host, named := strings.Cut(rest, "@")
	if !named {
		info, host = "", rest
	}
	if strings.Contains(info, ":") {
		return HostWord{}, hostlist.Errorf(begin, "a password in a URL is visible to every user of this machine: remove it; with the flag ask-pass it is asked for")
	}
	from := begin + len(rest) - len(host)
	if strings.Contains(host, "@") {
		return HostWord{}, hostlist.Errorf(from, "the URL has a second @; write %%40 in a user name")
	}
	w, err := ParseHostWord(host)
	if err != nil {
		err.Offset += from
		return w, err
	}
	w.Offset += from
	if named {
		w.User, err = urlUser(info, begin)
	}
	return w, err
}

// urlUser reads the user in a URL. Connection parameters behind a semicolon are
// dropped, as ssh does it.
func urlUser(info string, offset int) (*Value, *hostlist.SyntaxError) {
	info, _, _ = strings.Cut(info, ";")
	user, err := url.PathUnescape(info)
	if err != nil {
		return nil, hostlist.Errorf(offset, "the user in the URL has a %% without an escape such as %%40")
	}
	s, err := ParseValue(KeyUser, user)
	if err != nil {
		return nil, hostlist.Errorf(offset, "user: %v", err)
	}
	return &s, nil
}
