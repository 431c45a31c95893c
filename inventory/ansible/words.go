package ansible

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"tutti/internal/hostlist"
	"tutti/inventory/layer"
)

// shellWords splits text as a shell does, and as Ansible does for what stands
// on a host's line: quotes are taken away, and backslashes outside of single
// ones. With comments a # ends the text wherever it stands outside of quotes.
func shellWords(text string, comments bool) ([]hostlist.Word, *hostlist.SyntaxError) {
	var words []hostlist.Word
	for i := 0; i < len(text); {
		if hostlist.IsSpace(text[i]) {
			i++
			continue
		}
		if comments && text[i] == '#' {
			return words, nil
		}
		w, end, err := shellWord(text, i, comments)
		if err != nil {
			return nil, err
		}
		words = append(words, w)
		i = end
	}
	return words, nil
}

// shellWord reads the word that starts at an offset, and returns where it ends.
func shellWord(text string, start int, comments bool) (w hostlist.Word, end int, err *hostlist.SyntaxError) {
	var b strings.Builder
	i := start
	for i < len(text) && !hostlist.IsSpace(text[i]) && (!comments || text[i] != '#') {
		switch c := text[i]; c {
		case '\'', '"':
			length, ok := quoted(&b, text[i+1:], c)
			if !ok {
				return w, 0, hostlist.Errorf(i, "the quote %c is not closed", c)
			}
			i += length + 2
		case '\\':
			if i+1 == len(text) {
				return w, 0, hostlist.Errorf(i, "nothing follows the backslash")
			}
			b.WriteByte(text[i+1])
			i += 2
		default:
			b.WriteByte(c)
			i++
		}
	}
	return hostlist.Word{Text: b.String(), Offset: start}, i, nil
}

// quoted writes what stands before the closing quote, and returns its length in
// text.
func quoted(b *strings.Builder, text string, quote byte) (length int, ok bool) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote:
			return i, true
		case c == '\\' && quote == '"' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\'):
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return 0, false
}

// iniValue is how Ansible reads a value in an INI file: as a literal of Python, if it
// is one, else as text. Only literals that change a single value matter: strings, None,
// and numbers before a comment.
func iniValue(text string) (value string, null bool) {
	if s, ok := pythonStrings(text); ok {
		return s, false
	}
	before, _, commented := strings.Cut(text, "#")
	before = strings.TrimSpace(before)
	if before == "None" {
		return "", true
	}
	digits := strings.TrimLeft(before, "+-")
	if commented && hostlist.IsNumber(digits) && hostlist.Padding(digits) == 0 && len(before)-len(digits) <= 1 {
		return before, false
	}
	return text, false
}

// pythonStrings reads one or more string literals with nothing but spaces and a
// comment around them; as in Python, they are one string.
func pythonStrings(text string) (value string, ok bool) {
	var b strings.Builder
	for {
		text = strings.TrimLeft(text, " \t")
		if text == "" || text[0] == '#' {
			return b.String(), ok
		}
		rest, good := pythonString(&b, text)
		if !good {
			return "", false
		}
		text, ok = rest, true
	}
}

// pythonString reads the literal that text begins with.
func pythonString(b *strings.Builder, text string) (rest string, ok bool) {
	raw := false
	switch prefix := text[0]; prefix {
	case 'r', 'R', 'u', 'U':
		raw = prefix == 'r' || prefix == 'R'
		text = text[1:]
	}
	if text == "" || text[0] != '\'' && text[0] != '"' {
		return "", false
	}
	quote := text[:1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(text, triple) {
		quote = triple
	}
	text = text[len(quote):]
	for text != "" {
		switch {
		case strings.HasPrefix(text, quote):
			return text[len(quote):], true
		case text[0] == '\\' && raw && len(text) > 1:
			b.WriteString(text[:2])
			text = text[2:]
		case text[0] == '\\':
			text = pythonEscape(b, text)
		default:
			b.WriteByte(text[0])
			text = text[1:]
		}
	}
	return "", false
}

// pythonEscape writes what the escape stands for that text begins with. One that
// is none stands for itself.
func pythonEscape(b *strings.Builder, text string) (rest string) {
	r, multibyte, tail, err := strconv.UnquoteChar(text, 0)
	switch {
	case len(text) > 1 && (text[1] == '\'' || text[1] == '"'):
		b.WriteByte(text[1])
		return text[2:]
	case err != nil:
		b.WriteByte('\\')
		return text[1:]
	case r < utf8.RuneSelf || multibyte:
		b.WriteRune(r)
	default:
		// \xe9 is a character in Python, and a byte in Go.
		b.WriteString(string(r))
	}
	return tail
}

// parsePattern reads a host name with ranges as Ansible has them: [1:20],
// [01:20], [a:f], [0:10:2].
func parsePattern(text string) (hostlist.Pattern, *hostlist.SyntaxError) {
	p := hostlist.Pattern{Count: 1}
	rest, at := text, 0
	for rest != "" {
		if err := p.Check(at); err != nil {
			return hostlist.Pattern{}, err
		}
		open := strings.IndexByte(rest, '[')
		if open < 0 {
			p.Parts = append(p.Parts, hostlist.Part{Literal: rest})
			break
		}
		length := strings.IndexByte(rest[open:], ']')
		if length < 0 {
			return hostlist.Pattern{}, hostlist.Errorf(at+open, "[ without ]")
		}
		if open > 0 {
			p.Parts = append(p.Parts, hostlist.Part{Literal: rest[:open]})
		}
		part, err := parseRange(rest[open+1:open+length], at+open+1)
		if err != nil {
			return hostlist.Pattern{}, err
		}
		if part.Count > hostlist.MaxNames/p.Count {
			return hostlist.Pattern{}, hostlist.Errorf(at+open, "the range expands to more than %d names", hostlist.MaxNames)
		}
		p.Count *= part.Count
		p.Parts = append(p.Parts, part)
		rest, at = rest[open+length+1:], at+open+length+1
	}
	return p, p.Check(at)
}

// parseRange reads what stands between brackets.
func parseRange(text string, offset int) (hostlist.Part, *hostlist.SyntaxError) {
	bounds := strings.Split(text, ":")
	if len(bounds) != 2 && len(bounds) != 3 {
		return hostlist.Part{}, hostlist.Errorf(offset, "%q: want an Ansible range such as [1:20], [a:f] or [0:10:2]", text)
	}
	low, high, step := bounds[0], bounds[1], "1"
	if low == "" {
		low = "0"
	}
	if len(bounds) == 3 {
		step = bounds[2]
	}
	switch {
	case !hostlist.IsNumber(step) || hostlist.Number(step) == 0:
		return hostlist.Part{}, hostlist.Errorf(offset, "step %q: want a number from 1", step)
	case isLetter(low) && isLetter(high):
		return letterRange(low[0], high[0], hostlist.Number(step), offset)
	case !hostlist.IsNumber(low) || !hostlist.IsNumber(high):
		return hostlist.Part{}, hostlist.Errorf(offset, "%q: want a range of numbers or of letters", text)
	case hostlist.Padding(low) > 0 && len(low) != len(high):
		return hostlist.Part{}, hostlist.Errorf(offset, "the two ends of %s have different zero padding", text)
	case hostlist.Number(low) > hostlist.Number(high):
		return hostlist.Part{}, hostlist.Errorf(offset, "the range %s is reversed", text)
	}
	c := hostlist.Choice{Numeric: true, First: hostlist.Number(low), Last: hostlist.Number(high), Step: hostlist.Number(step), Width: hostlist.Padding(low)}
	if c.Count() > hostlist.MaxNames {
		return hostlist.Part{}, hostlist.Errorf(offset, "the range expands to more than %d names", hostlist.MaxNames)
	}
	return hostlist.Part{Choices: []hostlist.Choice{c}, Count: int(c.Count())}, nil
}

func isLetter(text string) bool {
	return len(text) == 1 && (text[0]|0x20 >= 'a' && text[0]|0x20 <= 'z')
}

// letterRange is in the order of Python's ascii_letters: small before capital.
func letterRange(low, high byte, step int64, offset int) (hostlist.Part, *hostlist.SyntaxError) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	from, to := strings.IndexByte(letters, low), strings.IndexByte(letters, high)
	if from > to {
		return hostlist.Part{}, hostlist.Errorf(offset, "the range %c:%c is reversed", low, high)
	}
	var part hostlist.Part
	for i := int64(from); i <= int64(to); i += step {
		part.Choices = append(part.Choices, hostlist.Choice{Word: letters[i : i+1]})
	}
	part.Count = len(part.Choices)
	return part, nil
}

// parseHosts reads a host name with ranges and, behind a colon, a port. An
// IPv6 address needs brackets if there is a port.
func parseHosts(text string) (names hostlist.Pattern, port string, err *hostlist.SyntaxError) {
	if end := strings.IndexByte(text, ']'); strings.HasPrefix(text, "[") && end > 1 && (hostlist.IsIPv6(text[1:end]) || hostlist.ValidName(text[1:end]) && !strings.Contains(text[1:end], ":")) {
		rest := text[end+1:]
		if rest != "" && (rest[0] != ':' || !hostlist.IsNumber(rest[1:])) {
			return hostlist.Pattern{}, "", hostlist.Errorf(end+1, "want :PORT after the brackets")
		}
		return hostlist.Pattern{Parts: []hostlist.Part{{Literal: text[1:end]}}, Count: 1}, strings.TrimPrefix(rest, ":"), nil
	}
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, ']') && layer.CountOutside(text, ':') == 1 {
		if port = text[i+1:]; !hostlist.IsNumber(port) {
			return hostlist.Pattern{}, "", hostlist.Errorf(i+1, "%s is not a port", hostlist.Quote(port))
		}
		text = text[:i]
	}
	names, err = parsePattern(text)
	return names, port, err
}
