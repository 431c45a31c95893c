package layer

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"tutti/internal/hostlist"
)

// NoJump overrides an inherited jump with none.
const NoJump = "none"

// MaxJumps is how many hosts may be on the way to another.
const MaxJumps = 32

// A Hop is a host on the way to another.
type Hop struct {
	// Host is a name or an IP address, without brackets.
	Host string
	// User to log in as. Empty: not given.
	User string
	// Port is 1 to 65535. 0: not given.
	Port int
}

// ParseJump parses user@host:port words separated by commas, the first hop first, like
// ssh's -J; user and port may be missing. "none" is no hops.
func ParseJump(text string) ([]Hop, error) {
	if strings.EqualFold(text, NoJump) {
		return nil, nil
	}
	var hops []Hop
	for word := range strings.SplitSeq(text, ",") {
		if len(hops) == MaxJumps {
			return nil, fmt.Errorf("more than %d jump hosts", MaxJumps)
		}
		word = strings.TrimSpace(word)
		h, err := parseHop(word)
		if err != nil {
			return nil, err
		}
		hops = append(hops, h)
	}
	return hops, nil
}

func parseHop(word string) (Hop, error) {
	var h Hop
	word = strings.TrimSuffix(strings.TrimPrefix(word, "ssh://"), "/")
	switch {
	case word == "":
		return h, errors.New("missing jump host: want user@host:port, separated by commas")
	case strings.EqualFold(word, NoJump):
		return h, fmt.Errorf("%q cannot be combined with others", word)
	}
	w, bad := ParseHostWord(word)
	if bad == nil && w.Names.Count != 1 {
		bad = hostlist.Errorf(w.Offset, "a jump host cannot be a range")
	}
	if bad != nil {
		return h, fmt.Errorf("jump host %s: %w", hostlist.Quote(word), bad)
	}
	for name := range w.Names.Names() {
		if bad := hostlist.CheckName(name, true); bad != nil {
			return h, fmt.Errorf("jump host %s: %w", hostlist.Quote(word), bad)
		}
		h.Host = strings.Trim(name, "[]")
		if strings.Contains(h.Host, ":") && !hostlist.IsIPv6(h.Host) {
			return h, fmt.Errorf("jump host %s: want a name or an IP address", hostlist.Quote(word))
		}
	}
	if w.User != nil {
		h.User = w.User.Text
	}
	if w.Port != nil {
		h.Port = w.Port.Number
	}
	return h, nil
}

// String is the word that ParseJump reads.
func (h Hop) String() string {
	text := h.Host
	switch {
	case h.Port != 0:
		text = net.JoinHostPort(h.Host, strconv.Itoa(h.Port))
	case strings.Contains(text, ":"):
		text = "[" + text + "]"
	}
	if h.User != "" {
		text = h.User + "@" + text
	}
	return text
}

// jumpText checks text and spells it in one way.
func jumpText(text string) (string, error) {
	hops, err := ParseJump(text)
	if err != nil {
		return "", err
	}
	if len(hops) == 0 {
		return NoJump, nil
	}
	words := make([]string, len(hops))
	for i, h := range hops {
		words[i] = h.String()
	}
	return strings.Join(words, ","), nil
}
