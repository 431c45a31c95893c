package inventory

import (
	"net/netip"
	"strings"

	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// parsePlain reads a list with a host, or a range of hosts, on each line.
func parsePlain(f layer.File, text string, b *builder) (*layer.Layer, error) {
	var problems yamltree.Problems
	l := layer.New()
	number := 0
	for line := range strings.Lines(text) {
		number++
		w := hostlist.Trim(line, 0, len(withoutComment(line)))
		if w.Text == "" {
			continue
		}
		origin := layer.Origin{File: f.Path, Line: number, Column: hostlist.Column(line, w.Offset), Via: "host " + w.Text}
		if err := plainWord(l, w, origin, b); err != nil {
			at := origin.Pos()
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
func plainWord(l *layer.Layer, w hostlist.Word, origin layer.Origin, b *builder) *hostlist.SyntaxError {
	if looksSecret(w.Text) {
		return hostlist.Errorf(w.Offset, "this looks like a token or a key, not a host")
	}
	err := addWord(l, w.Text, origin, b)
	if err != nil {
		err.Offset += w.Offset
	}
	return err
}

// maxLabel is how long a label of a DNS name may be.
const maxLabel = 63

// secretBeginnings are prefixes of the tokens of many services.
var secretBeginnings = []string{
	"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xapp-", "AKIA", "ASIA",
	"eyJ", "sk_live_", "rk_live_", "sk-", "npm_", "pypi-", "hvs.", "dop_v1_", "AIza", "ya29.", "AGE-SECRET-KEY-",
}

// looksSecret reports whether a line of a list looks like a token, not a host.
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
	l := layer.New()
	list, err := splitHosts(words)
	if err != nil {
		return nil, hostlist.AtColumn(words, err)
	}
	for _, w := range list {
		origin := layer.Origin{Column: hostlist.Column(words, w.Offset), Via: "the command line"}
		if err := addWord(l, w.Text, origin, b); err != nil {
			err.Offset += w.Offset
			return nil, hostlist.AtColumn(words, err)
		}
	}
	b.add(l)
	return b.build()
}

// addWord adds the host or the hosts of one word.
func addWord(l *layer.Layer, text string, origin layer.Origin, b *builder) *hostlist.SyntaxError {
	w, err := layer.ParseHostWord(text)
	if err != nil {
		return err
	}
	if !b.Spend(w.Names.Count) {
		return hostlist.Errorf(0, "more than %d hosts", hostlist.MaxNames)
	}
	var own layer.Values
	for _, s := range []*layer.Value{w.User, w.Port} {
		if s != nil {
			s.Origin = origin
			own = append(own, *s)
		}
	}
	for name := range w.Names.Names() {
		if err := hostlist.CheckName(name, true); err != nil {
			err.Offset += w.Offset
			return err
		}
		mine := own
		if w.IPv6 {
			addr := strings.Trim(name, "[]")
			if _, err := netip.ParseAddr(addr); err != nil {
				return hostlist.Errorf(w.Offset, "%q is not an IPv6 address; with a port, write [ADDRESS]:PORT", name)
			}
			mine = append(own[:len(own):len(own)], layer.Value{Key: layer.KeyAddress, Text: addr, Origin: origin})
		}
		if err := l.AddEqual(name, origin, mine); err != nil {
			return hostlist.Errorf(w.Offset, "%v", err)
		}
	}
	return nil
}
