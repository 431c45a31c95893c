package inventory

import (
	"regexp"
	"strings"

	"tutti/fanout"
	"tutti/internal/hostlist"
)

const runPrefix = "run:"

// parseItem reads an item without its operator and quotes. The offset of an
// error is in text.
func parseItem(text string) (item, *hostlist.SyntaxError) {
	it := item{text: text}
	switch {
	case text == "all":
		it.kind = itemAll
		return it, nil
	case text[0] == '~':
		return it.asRegexp()
	case text[0] == '@':
		it.kind, it.path = itemFile, text[1:]
		if it.path == "" {
			return it, hostlist.Errorf(1, "missing file name")
		}
		return it, nil
	case strings.HasPrefix(text, runPrefix):
		return it.asRun()
	case text[0] == byte(opKeep) || text[0] == byte(opExclude):
		return it, hostlist.Errorf(0, "%c can come only once, before the item and its quotes", text[0])
	}
	if i := strings.IndexByte(text, '='); i >= 0 {
		return it.asLabel(i)
	}
	return it.asNames()
}

// maxRegexp is how long a regular expression may be; its memory is many times as
// large.
const maxRegexp = 10_000

func (it item) asRegexp() (item, *hostlist.SyntaxError) {
	it.kind = itemRegexp
	if len(it.text) == 1 {
		return it, hostlist.Errorf(1, "missing regular expression")
	}
	if len(it.text) > maxRegexp {
		return it, hostlist.Errorf(1, "regular expression longer than %d characters", maxRegexp)
	}
	re, err := regexp.Compile(it.text[1:])
	if err != nil {
		const enough = 200
		text := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		return it, hostlist.Errorf(1, "%s", strings.ToValidUTF8(text[:min(enough, len(text))], ""))
	}
	it.regexp = re
	return it, nil
}

// asRun reads run:REF or run:REF:OUTCOME+OUTCOME.
func (it item) asRun() (item, *hostlist.SyntaxError) {
	it.kind = itemRun
	ref, outcomes, some := strings.Cut(it.text[len(runPrefix):], ":")
	if !validRef(ref) {
		return it, hostlist.Errorf(len(runPrefix), "%s: want a run: its number, last, or last~1 for the one before", hostlist.Quote(ref))
	}
	it.ref = ref
	if !some {
		return it, nil
	}
	at := len(runPrefix) + len(ref) + 1
	for name := range strings.SplitSeq(outcomes, "+") {
		o, err := fanout.ParseOutcome(name)
		if err != nil {
			return it, hostlist.Errorf(at, "%v", err)
		}
		it.outcomes = append(it.outcomes, o)
		at += len(name) + 1
	}
	return it, nil
}

// validRef reports whether text names a run: a number, last, or last~N.
func validRef(text string) bool {
	if n, ok := strings.CutPrefix(text, "last"); ok {
		if n == "" {
			return true
		}
		n, ok = strings.CutPrefix(n, "~")
		return ok && hostlist.IsNumber(n)
	}
	return hostlist.IsNumber(text) && hostlist.Number(text) > 0
}

// asLabel reads NAME=VALUE or NAME!=VALUE; the = is at an offset.
func (it item) asLabel(at int) (item, *hostlist.SyntaxError) {
	it.kind = itemLabel
	it.value = it.text[at+1:]
	it.label, it.negated = strings.CutSuffix(it.text[:at], "!")
	if !hostlist.ValidName(it.label) {
		return it, hostlist.Errorf(0, "%s is not a label name", hostlist.Quote(it.label))
	}
	return it, nil
}

// asNames reads a name, which may hold ranges and wildcards.
func (it item) asNames() (item, *hostlist.SyntaxError) {
	p, err := hostlist.Parse(it.text)
	if err != nil {
		return it, err
	}
	it.names = p
	if strings.ContainsAny(it.text, "*?") {
		it.kind = itemWildcard
	}
	offset := 0
	for _, part := range p.Parts {
		if part.Choices != nil {
			offset += strings.IndexByte(it.text[offset:], ']') + 1
			continue
		}
		for i, c := range part.Literal {
			if c < 0x80 && (hostlist.NameChar(byte(c)) || c == '*' || c == '?') || isIPv6Literal(part.Literal, i) {
				continue
			}
			return it, hostlist.Errorf(offset+i, "unexpected %q: separate items with commas; an item is a group, a host, a label (name=value) or one of all * [1-9] ~REGEXP @FILE run:N &ITEM !ITEM", c)
		}
		offset += len(part.Literal)
	}
	return it, nil
}

// isIPv6Literal reports whether a byte of a literal belongs to an IPv6 address in
// brackets at its end.
func isIPv6Literal(literal string, at int) bool {
	open := strings.IndexByte(literal, '[')
	return open >= 0 && at >= open
}
