package inventory

import (
	"net/netip"
	"strings"

	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
)

// parsePlain reads a list with a host, or a range of hosts, on each line.
func parsePlain(f File, text string, b *builder) (*layer, error) {
	var problems yamltree.Problems
	l := newLayer()
	number := 0
	for line := range strings.Lines(text) {
		number++
		w := hostlist.Trim(line, 0, len(withoutComment(line)))
		if w.Text == "" {
			continue
		}
		origin := Origin{File: f.Path, Line: number, Column: hostlist.Column(line, w.Offset), Via: "host " + w.Text}
		if err := plainWord(l, w, origin, b); err != nil {
			at := origin.pos()
			at.Column = hostlist.Column(line, err.Offset)
			problems.Addf(at, "%v", err)
		}
	}
	// Any text may have been named by mistake: nothing of it is quoted.
	if err := problems.Err(); err != nil {
		return nil, yamltree.Bare(err)
	}
	return l, nil
}

// plainWord adds the hosts of a word in a file. The offset of an error is in the
// line.
func plainWord(l *layer, w hostlist.Word, origin Origin, b *builder) *hostlist.SyntaxError {
	if looksSecret(w.Text) {
		return hostlist.Errorf(w.Offset, "this looks like a token or a key, not like a host")
	}
	err := addWord(l, w.Text, origin, b)
	if err != nil {
		err.Offset += w.Offset
	}
	return err
}

// maxLabel is how long a part of a host's name in the DNS may be.
const maxLabel = 63

// secretBeginnings are those of tokens that many services give out.
var secretBeginnings = []string{
	"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xapp-", "AKIA", "ASIA",
	"eyJ", "sk_live_", "rk_live_", "sk-", "npm_", "pypi-", "hvs.", "dop_v1_", "AIza", "ya29.", "AGE-SECRET-KEY-",
}

// looksSecret reports whether a line of a list is rather a token than a host.
func looksSecret(text string) bool {
	const shortest = 16
	for _, begin := range secretBeginnings {
		if strings.HasPrefix(text, begin) && len(text) >= shortest && !strings.ContainsAny(text, "@[") {
			return true
		}
	}
	for label := range strings.SplitSeq(text, ".") {
		if len(label) > maxLabel && hostlist.ValidName(label) {
			return true
		}
	}
	return false
}

// ParseHosts makes an inventory of a list of words of the form user@host:port,
// with commas or spaces between them, in which user and port may be missing and
// the host may be a range. No file is read. The hosts are in the order of the
// list. A host's name is the word without user and port; an IPv6 address keeps
// its brackets.
func ParseHosts(words string) (*Inventory, error) {
	var problems yamltree.Problems
	b := newBuilder(&problems)
	l := newLayer()
	list, err := splitHosts(words)
	if err != nil {
		return nil, hostlist.AtColumn(words, err)
	}
	for _, w := range list {
		origin := Origin{Column: hostlist.Column(words, w.Offset), Via: "the command line"}
		if err := addWord(l, w.Text, origin, b); err != nil {
			err.Offset += w.Offset
			return nil, hostlist.AtColumn(words, err)
		}
	}
	b.add(l)
	return b.build()
}

// addWord adds the host or the hosts of one word.
func addWord(l *layer, text string, origin Origin, b *builder) *hostlist.SyntaxError {
	w, err := parseHostWord(text)
	if err != nil {
		return err
	}
	if !b.spend(w.names.Count) {
		return hostlist.Errorf(0, "more than %d hosts", hostlist.MaxNames)
	}
	var own settings
	for _, s := range []*setting{w.user, w.port} {
		if s != nil {
			s.origin = origin
			own = append(own, *s)
		}
	}
	for name := range w.names.Names() {
		if err := hostlist.CheckName(name, true); err != nil {
			err.Offset += w.offset
			return err
		}
		mine := own
		if w.ipv6 {
			addr := strings.Trim(name, "[]")
			if _, err := netip.ParseAddr(addr); err != nil {
				return hostlist.Errorf(w.offset, "%q is not an IPv6 address; with a port it needs brackets: [ADDRESS]:PORT", name)
			}
			mine = append(own[:len(own):len(own)], setting{key: KeyAddress, text: addr, origin: origin})
		}
		if err := l.addEqual(name, origin, mine); err != nil {
			return hostlist.Errorf(w.offset, "%v", err)
		}
	}
	return nil
}

// A hostWord is a user@host:port.
type hostWord struct {
	user, port *setting
	names      hostlist.Pattern
	// ipv6 says that the names are IPv6 addresses.
	ipv6 bool
	// offset of the names in the word.
	offset int
}

func parseHostWord(text string) (hostWord, *hostlist.SyntaxError) {
	var w hostWord
	if i := spaceOutside(text); i >= 0 {
		return w, hostlist.Errorf(i, "a host has no spaces: want user@host:port, one on a line; settings need an inventory in YAML")
	}
	if i := strings.Index(text, "://"); i >= 0 {
		return parseHostURL(text, i)
	}
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		user, err := parseValue(KeyUser, text[:i])
		if err != nil {
			return w, hostlist.Errorf(0, "user: %v", err)
		}
		w.user, w.offset = &user, i+1
	}
	host, port, err := splitPort(text[w.offset:])
	if err != nil {
		err.Offset += w.offset
		return w, err
	}
	if port != nil {
		s, err := parseValue(KeyPort, *port)
		if err != nil {
			return w, hostlist.Errorf(w.offset+len(host)+1, "port: %v", err)
		}
		w.port = &s
	}
	if host == "" {
		return w, hostlist.Errorf(w.offset, "the name is empty")
	}
	w.names, err = hostlist.Parse(host)
	if err != nil {
		err.Offset += w.offset
		return w, err
	}
	w.ipv6 = hostlist.IsIPv6(strings.Trim(host, "[]")) || countOutside(host, ':') > 1
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
	if countOutside(text, ':') != 1 {
		return text, nil, nil
	}
	i := strings.LastIndexByte(text, ':')
	p := text[i+1:]
	return text[:i], &p, nil
}

// spaceOutside is where the first space stands that is in no brackets; -1 without
// one.
func spaceOutside(text string) int {
	depth := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case isSpace(c) && depth <= 0:
			return i
		}
	}
	return -1
}

// countOutside counts the occurrences of c that stand in no brackets.
func countOutside(text string, c byte) int {
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
