package hostlist

import (
	"fmt"
	"iter"
	"net/netip"
	"strconv"
	"strings"

	"tutti/internal/yamltree"
)

// MaxNames is how many names one expression, and one inventory, may stand for.
const MaxNames = 1_000_000

// maxRanges is how many ranges one name may have, and maxLiteral how long it may
// be between them: far more than any name has, and little enough for what is done
// to each name.
const (
	maxRanges  = 50
	maxLiteral = 1000
)

// maxDigits is how many digits a number in a range may have.
const maxDigits = 18

// A SyntaxError is a mistake in a short text, at a byte offset.
type SyntaxError struct {
	*yamltree.Mistake
	Offset int
}

// Errorf returns a mistake at a byte offset; see [yamltree.Mistakef].
func Errorf(offset int, format string, args ...any) *SyntaxError {
	return &SyntaxError{yamltree.Mistakef(format, args...), offset}
}

// Expand returns the names that text stands for: a comma-separated list in
// which a name may hold ranges such as web[01-20].fra, n[1-9/2] or
// rack[a,b]n[1-3]. Zero padding is kept, and the last range of a name varies
// fastest. Brackets around an IPv6 address are part of the name. More than
// 1,000,000 names are an error. A name that is given twice is returned twice.
func Expand(text string) ([]string, error) {
	var names []string
	for word := range Split(text) {
		p, err := Parse(word.Text)
		if err != nil {
			err.Offset += word.Offset
			return nil, AtColumn(text, err)
		}
		if word.Text == "" {
			return nil, AtColumn(text, Errorf(word.Offset, "missing name"))
		}
		if p.Count > MaxNames-len(names) {
			return nil, AtColumn(text, Errorf(word.Offset, "more than %d names", MaxNames))
		}
		for name := range p.Names() {
			names = append(names, name)
		}
	}
	return names, nil
}

// AtColumn says where in text an error is.
func AtColumn(text string, err *SyntaxError) error {
	return fmt.Errorf("%s: column %d: %s", Quote(text), Column(text, err.Offset), err.Mistake.Error())
}

// Column is the number, from 1, of the character at a byte offset.
func Column(text string, offset int) int {
	return len([]rune(text[:min(offset, len(text))])) + 1
}

// Quote quotes text, and cuts what is too long for a message.
func Quote(text string) string {
	const longest = 100
	if len(text) <= longest {
		return strconv.Quote(text)
	}
	return strconv.Quote(strings.ToValidUTF8(text[:longest], "")) + "…"
}

// A Word is a piece of a longer text.
type Word struct {
	Text   string
	Offset int
}

// Split splits at the commas that stand in no brackets, and trims the spaces around
// each word.
func Split(text string) iter.Seq[Word] {
	return func(yield func(Word) bool) {
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
			if !yield(Trim(text, start, i)) {
				return
			}
			start = i + 1
		}
	}
}

// Trim is text[start:end] without the spaces around it.
func Trim(text string, start, end int) Word {
	t := strings.TrimLeft(text[start:end], " \t\r\n")
	offset := end - len(t)
	return Word{Text: strings.TrimRight(t, " \t\r\n"), Offset: offset}
}

// A Pattern is a name with ranges: literal texts and, between them, lists of
// what may stand there.
type Pattern struct {
	Parts []Part
	// Count is how many names there are, at most MaxNames.
	Count int
}

// A Part is a literal if it has no choices.
type Part struct {
	Literal string
	Choices []Choice
	Count   int
}

// A Choice is Word or, if it is Numeric, the numbers from First to Last in steps of
// Step, padded with zeros to Width.
type Choice struct {
	Word              string
	Numeric           bool
	First, Last, Step int64
	Width             int
}

// Count is how many texts the choice stands for.
func (c Choice) Count() int64 {
	if !c.Numeric {
		return 1
	}
	return (c.Last-c.First)/c.Step + 1
}

// Ranged reports whether the pattern stands for anything but itself.
func (p Pattern) Ranged() bool {
	for _, part := range p.Parts {
		if part.Choices != nil {
			return true
		}
	}
	return false
}

// Parse reads a name with ranges. It allocates for the text it reads, never for the
// names it stands for.
func Parse(text string) (Pattern, *SyntaxError) {
	p := Pattern{Count: 1}
	rest, at := text, 0
	for rest != "" {
		if err := p.Check(at); err != nil {
			return Pattern{}, err
		}
		open := strings.IndexAny(rest, "[]")
		if open < 0 {
			p.Parts = append(p.Parts, Part{Literal: rest})
			break
		}
		if rest[open] == ']' {
			return Pattern{}, Errorf(at+open, "] without [")
		}
		length := strings.IndexAny(rest[open+1:], "[]")
		if length < 0 || rest[open+1+length] == '[' {
			return Pattern{}, Errorf(at+open, "[ without ]")
		}
		inner := rest[open+1 : open+1+length]
		end := open + length + 2
		if IsIPv6(inner) {
			p.Parts = append(p.Parts, Part{Literal: rest[:end]})
		} else {
			part, err := parseChoices(inner, at+open+1)
			if err != nil {
				return Pattern{}, err
			}
			if open > 0 {
				p.Parts = append(p.Parts, Part{Literal: rest[:open]})
			}
			if part.Count > MaxNames/p.Count {
				return Pattern{}, Errorf(at+open, "the range expands to more than %d names", MaxNames)
			}
			p.Count *= part.Count
			p.Parts = append(p.Parts, part)
		}
		rest, at = rest[end:], at+end
	}
	return p, p.Check(at)
}

// Check refuses a pattern that no names have, read up to an offset.
func (p Pattern) Check(at int) *SyntaxError {
	if len(p.Parts) > 2*maxRanges {
		return Errorf(at, "a name with more than %d ranges", maxRanges)
	}
	length := 0
	for _, part := range p.Parts {
		length += len(part.Literal)
	}
	if length > maxLiteral {
		return Errorf(at, "name longer than %d characters", maxLiteral)
	}
	return nil
}

// IsIPv6 reports whether text is an IPv6 address, perhaps with a zone.
func IsIPv6(text string) bool {
	if !strings.Contains(text, ":") {
		return false
	}
	addr, err := netip.ParseAddr(text)
	return err == nil && addr.Is6() && ValidName(strings.ReplaceAll(text, "%", "."))
}

// parseChoices reads what stands between brackets.
func parseChoices(text string, offset int) (Part, *SyntaxError) {
	var part Part
	var total int64
	at := offset
	for item := range strings.SplitSeq(text, ",") {
		c, err := parseChoice(strings.TrimSpace(item), at)
		if err != nil {
			return Part{}, err
		}
		if total += c.Count(); total > MaxNames {
			return Part{}, Errorf(at, "the range expands to more than %d names", MaxNames)
		}
		part.Choices = append(part.Choices, c)
		at += len(item) + 1
	}
	part.Count = int(total)
	return part, nil
}

func parseChoice(text string, offset int) (Choice, *SyntaxError) {
	if text == "" {
		return Choice{}, Errorf(offset, "empty range")
	}
	lo, hi, dashed := strings.Cut(text, "-")
	if !dashed {
		if !ValidName(text) {
			return Choice{}, Errorf(offset, "%q is not allowed in a range", text)
		}
		return Choice{Word: text}, nil
	}
	hi, stepText, stepped := strings.Cut(hi, "/")
	if !IsNumber(lo) || !IsNumber(hi) {
		return Choice{}, Errorf(offset, "%q: want a range of numbers such as 1-20, or a list: [a,b,c]", text)
	}
	c := Choice{Numeric: true, First: Number(lo), Last: Number(hi), Step: 1, Width: Padding(lo)}
	if stepped {
		if !IsNumber(stepText) || Number(stepText) == 0 {
			return Choice{}, Errorf(offset, "step %q: want a number from 1", stepText)
		}
		c.Step = Number(stepText)
	}
	switch {
	case c.First > c.Last:
		return Choice{}, Errorf(offset, "the range %s is reversed", text)
	case Padding(lo) > len(hi) || Padding(hi) > 0 && len(lo) != len(hi):
		return Choice{}, Errorf(offset, "the two ends of %s have different zero padding", text)
	}
	return c, nil
}

// IsNumber reports whether text is a number that fits.
func IsNumber(text string) bool {
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

// Number is the value of a text for which [IsNumber] holds.
func Number(text string) int64 {
	var n int64
	for i := range len(text) {
		n = n*10 + int64(text[i]-'0')
	}
	return n
}

// Padding is the length of a number that begins with a zero it does not need,
// else 0.
func Padding(digits string) int {
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

// Names goes over all names; the last range varies fastest.
func (p Pattern) Names() iter.Seq[string] {
	return func(yield func(string) bool) {
		var buf []byte
		var walk func(parts []Part) bool
		walk = func(parts []Part) bool {
			if len(parts) == 0 {
				return yield(string(buf))
			}
			length := len(buf)
			part := parts[0]
			if part.Choices == nil {
				buf = append(buf, part.Literal...)
				more := walk(parts[1:])
				buf = buf[:length]
				return more
			}
			for _, c := range part.Choices {
				for i := range c.Count() {
					if c.Numeric {
						buf = appendPadded(buf[:length], c.First+i*c.Step, c.Width)
					} else {
						buf = append(buf[:length], c.Word...)
					}
					if !walk(parts[1:]) {
						return false
					}
				}
			}
			buf = buf[:length]
			return true
		}
		walk(p.Parts)
	}
}
