package inventory

import (
	"fmt"
	"iter"
	"net/netip"
	"strconv"
	"strings"

	"tutti/internal/yamltree"
)

// maxNames is how many names one expression, and one inventory, may stand for.
const maxNames = 1_000_000

// maxRanges is how many ranges one name may have, and maxLiteral how long it may
// be between them: far more than any name has, and little enough for what is done
// to each name.
const (
	maxRanges  = 50
	maxLiteral = 1000
)

// maxDigits is how many digits a number in a range may have.
const maxDigits = 18

// A syntaxError is a mistake in a short text, at a byte offset.
type syntaxError struct {
	*yamltree.Mistake
	offset int
}

func syntaxErrorf(offset int, format string, args ...any) *syntaxError {
	return &syntaxError{yamltree.Mistakef(format, args...), offset}
}

// Expand returns the names that text stands for: a comma-separated list in
// which a name may hold ranges such as web[01-20].fra, n[1-9/2] or
// rack[a,b]n[1-3]. Zero padding is kept, and the last range of a name varies
// fastest. Brackets around an IPv6 address are part of the name. More than
// 1,000,000 names are an error. A name that is given twice is returned twice.
func Expand(text string) ([]string, error) {
	var names []string
	for word := range splitList(text) {
		p, err := parsePattern(word.text)
		if err != nil {
			err.offset += word.offset
			return nil, atColumn(text, err)
		}
		if word.text == "" {
			return nil, atColumn(text, syntaxErrorf(word.offset, "a name is missing"))
		}
		if p.count > maxNames-len(names) {
			return nil, atColumn(text, syntaxErrorf(word.offset, "more than %d names", maxNames))
		}
		for name := range p.names() {
			names = append(names, name)
		}
	}
	return names, nil
}

// atColumn says where in text an error is.
func atColumn(text string, err *syntaxError) error {
	return fmt.Errorf("%s: column %d: %s", quoteShort(text), column(text, err.offset), err.Mistake)
}

// column is the number, from 1, of the character at a byte offset.
func column(text string, offset int) int {
	return len([]rune(text[:min(offset, len(text))])) + 1
}

// quoteShort quotes text, and cuts what is too long for a message.
func quoteShort(text string) string {
	const longest = 100
	if len(text) <= longest {
		return strconv.Quote(text)
	}
	return strconv.Quote(strings.ToValidUTF8(text[:longest], "")) + "…"
}

// A word is a piece of a longer text.
type word struct {
	text   string
	offset int
}

// splitList splits at the commas that stand in no brackets, and trims the
// spaces around each word.
func splitList(text string) iter.Seq[word] {
	return func(yield func(word) bool) {
		depth, start := 0, 0
		for i := 0; i <= len(text); i++ {
			if i < len(text) {
				switch text[i] {
				case '[':
					depth++
				case ']':
					depth = max(0, depth-1)
				}
				if text[i] != ',' || depth > 0 {
					continue
				}
			}
			if !yield(trimmed(text, start, i)) {
				return
			}
			start = i + 1
		}
	}
}

// trimmed is text[start:end] without the spaces around it.
func trimmed(text string, start, end int) word {
	t := strings.TrimLeft(text[start:end], " \t\r\n")
	offset := end - len(t)
	return word{text: strings.TrimRight(t, " \t\r\n"), offset: offset}
}

// A pattern is a name with ranges: literal texts and, between them, lists of
// what may stand there.
type pattern struct {
	parts []patternPart
	// count is how many names there are, at most maxNames.
	count int
}

// A patternPart is a literal if it has no choices.
type patternPart struct {
	literal string
	choices []choice
	count   int
}

// A choice is a word, or the numbers from first to last in steps, padded with
// zeros to width.
type choice struct {
	word              string
	numeric           bool
	first, last, step int64
	width             int
}

func (c choice) count() int64 {
	if !c.numeric {
		return 1
	}
	return (c.last-c.first)/c.step + 1
}

// ranged reports whether the pattern stands for anything but itself.
func (p pattern) ranged() bool {
	for _, part := range p.parts {
		if part.choices != nil {
			return true
		}
	}
	return false
}

// parsePattern reads a name with ranges. It allocates for the text it reads,
// never for the names it stands for.
func parsePattern(text string) (pattern, *syntaxError) {
	p := pattern{count: 1}
	rest, at := text, 0
	for rest != "" {
		if err := p.bounded(at); err != nil {
			return pattern{}, err
		}
		open := strings.IndexAny(rest, "[]")
		if open < 0 {
			p.parts = append(p.parts, patternPart{literal: rest})
			break
		}
		if rest[open] == ']' {
			return pattern{}, syntaxErrorf(at+open, "] without [")
		}
		length := strings.IndexAny(rest[open+1:], "[]")
		if length < 0 || rest[open+1+length] == '[' {
			return pattern{}, syntaxErrorf(at+open, "[ without ]")
		}
		inner := rest[open+1 : open+1+length]
		end := open + length + 2
		if isIPv6(inner) {
			p.parts = append(p.parts, patternPart{literal: rest[:end]})
		} else {
			part, err := parseChoices(inner, at+open+1)
			if err != nil {
				return pattern{}, err
			}
			if open > 0 {
				p.parts = append(p.parts, patternPart{literal: rest[:open]})
			}
			if part.count > maxNames/p.count {
				return pattern{}, syntaxErrorf(at+open, "the range stands for more than %d names", maxNames)
			}
			p.count *= part.count
			p.parts = append(p.parts, part)
		}
		rest, at = rest[end:], at+end
	}
	return p, p.bounded(at)
}

// bounded refuses a pattern that no names have, read up to an offset.
func (p pattern) bounded(at int) *syntaxError {
	if len(p.parts) > 2*maxRanges {
		return syntaxErrorf(at, "a name with more than %d ranges", maxRanges)
	}
	length := 0
	for _, part := range p.parts {
		length += len(part.literal)
	}
	if length > maxLiteral {
		return syntaxErrorf(at, "a name that is longer than %d characters", maxLiteral)
	}
	return nil
}

// isIPv6 reports whether text is an IPv6 address, perhaps with a zone.
func isIPv6(text string) bool {
	if !strings.Contains(text, ":") {
		return false
	}
	addr, err := netip.ParseAddr(text)
	return err == nil && addr.Is6() && validName(strings.ReplaceAll(text, "%", "."))
}

// parseChoices reads what stands between brackets.
func parseChoices(text string, offset int) (patternPart, *syntaxError) {
	var part patternPart
	var total int64
	at := offset
	for item := range strings.SplitSeq(text, ",") {
		c, err := parseChoice(strings.TrimSpace(item), at)
		if err != nil {
			return patternPart{}, err
		}
		if total += c.count(); total > maxNames {
			return patternPart{}, syntaxErrorf(at, "the range stands for more than %d names", maxNames)
		}
		part.choices = append(part.choices, c)
		at += len(item) + 1
	}
	part.count = int(total)
	return part, nil
}

func parseChoice(text string, offset int) (choice, *syntaxError) {
	if text == "" {
		return choice{}, syntaxErrorf(offset, "the range is empty here")
	}
	lo, hi, dashed := strings.Cut(text, "-")
	if !dashed {
		if !validName(text) {
			return choice{}, syntaxErrorf(offset, "%q cannot stand in a range", text)
		}
		return choice{word: text}, nil
	}
	hi, stepText, stepped := strings.Cut(hi, "/")
	if !isNumber(lo) || !isNumber(hi) {
		return choice{}, syntaxErrorf(offset, "%q is not a range of numbers such as 1-20; anything else is listed: [a,b,c]", text)
	}
	c := choice{numeric: true, first: number(lo), last: number(hi), step: 1, width: padding(lo)}
	if stepped {
		if !isNumber(stepText) || number(stepText) == 0 {
			return choice{}, syntaxErrorf(offset, "%q is not a step: want a number from 1", stepText)
		}
		c.step = number(stepText)
	}
	switch {
	case c.first > c.last:
		return choice{}, syntaxErrorf(offset, "the range %s runs backwards", text)
	case padding(lo) > len(hi) || padding(hi) > 0 && len(lo) != len(hi):
		return choice{}, syntaxErrorf(offset, "the ends of %s are padded with zeros to different lengths", text)
	}
	return c, nil
}

// isNumber reports whether text is a number that fits.
func isNumber(text string) bool {
	if text == "" || len(text) > maxDigits {
		return false
	}
	for i := range len(text) {
		if !isDigit(text[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// number is the value of a text for which isNumber holds.
func number(text string) int64 {
	var n int64
	for i := range len(text) {
		n = n*10 + int64(text[i]-'0')
	}
	return n
}

// padding is the length of a number that begins with a zero it does not need,
// else 0.
func padding(digits string) int {
	if len(digits) > 1 && digits[0] == '0' {
		return len(digits)
	}
	return 0
}

// appendPadded appends n with at least width digits.
func appendPadded(b []byte, n int64, width int) []byte {
	digits := strconv.AppendInt(make([]byte, 0, maxDigits+2), n, 10)
	for range width - len(digits) {
		b = append(b, '0')
	}
	return append(b, digits...)
}

// names goes over all names; the last range varies fastest.
func (p pattern) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		var buf []byte
		var walk func(parts []patternPart) bool
		walk = func(parts []patternPart) bool {
			if len(parts) == 0 {
				return yield(string(buf))
			}
			length := len(buf)
			part := parts[0]
			if part.choices == nil {
				buf = append(buf, part.literal...)
				more := walk(parts[1:])
				buf = buf[:length]
				return more
			}
			for _, c := range part.choices {
				for i := range c.count() {
					if c.numeric {
						buf = appendPadded(buf[:length], c.first+i*c.step, c.width)
					} else {
						buf = append(buf[:length], c.word...)
					}
					if !walk(parts[1:]) {
						return false
					}
				}
			}
			buf = buf[:length]
			return true
		}
		walk(p.parts)
	}
}
