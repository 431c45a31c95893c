package sshconfig

import (
	"errors"
	"fmt"
	"strings"

	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// A configFile is a parsed ssh_config file.
type configFile struct {
	path   string
	blocks []block
}

// A block is the lines up to the next Host or Match. They apply where its condition
// holds; before the first one, wherever the file applies.
type block struct {
	when  condition // nil: where the file counts
	items []item
}

// An item is either a value or files that stand in its place.
type item struct {
	value    *directive
	included []*configFile
}

// A directive gives a value to a keyword.
type directive struct {
	key    keyword
	origin layer.Origin
	// text is the value as it was written, or in one spelling if it has many.
	text   string
	number int      // port, counts, seconds, yes and no
	list   []string // several paths
}

// A sourceLine is a line that is not empty.
type sourceLine struct {
	file    string
	number  int
	column  int    // of the keyword
	keyword string // in lower case
	rest    string // what follows, with its quotes
	args    []string
}

func (l *sourceLine) pos() yamltree.Pos {
	return yamltree.Pos{File: l.file, Line: l.number, Column: l.column}
}

// origin names the line as what gave a value.
func (l *sourceLine) origin(name string) layer.Origin {
	return layer.Origin{File: l.file, Line: l.number, Column: l.column, Via: "ssh_config " + name}
}

// A parser reads the files of one configuration.
type parser struct {
	config   *Config
	problems *yamltree.Problems
	disk     storage
	told     map[string]bool // what was warned about

	users bool     // the files belong to the user, not to the system
	stack []string // of files that include each other, the current one last
	files int      // that were included so far

	ignored []pattern // patterns of IgnoreUnknown
}

func newParser(o Options) *parser {
	return &parser{
		config:   &Config{opts: o},
		problems: &yamltree.Problems{},
		disk:     disk{},
		told:     make(map[string]bool),
	}
}

func (p *parser) errorf(l *sourceLine, format string, args ...any) {
	p.problems.Addf(l.pos(), format, args...)
}

// warnf warns about what, once.
func (p *parser) warnf(l *sourceLine, what, format string, args ...any) {
	if p.told[what] {
		return
	}
	p.told[what] = true
	p.config.Warnings = append(p.config.Warnings, fmt.Sprintf("%s:%d: %s", l.file, l.number, fmt.Sprintf(format, args...)))
}

// parse reads a file's text.
func (p *parser) parse(path, text string) *configFile {
	f := &configFile{path: path, blocks: make([]block, 1)}
	if !looksLikeConfig(text) {
		p.problems.Addf(yamltree.Pos{File: path, Line: 1}, "this is not an ssh_config file: no line begins with one of its keywords")
		return f
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		l, err := splitLine(line)
		if l == nil && err == nil {
			continue
		}
		if l == nil {
			l = &sourceLine{column: 1}
		}
		l.file, l.number = path, number
		if err != nil {
			p.errorf(l, "%v", err)
			continue
		}
		p.line(f, l)
	}
	return f
}

// looksLikeConfig reports whether a line begins with a keyword of ssh_config, or all
// are empty. Any other file may have been named by mistake, and must not be quoted.
func looksLikeConfig(text string) bool {
	empty := true
	for line := range strings.Lines(text) {
		l, _ := splitLine(line)
		if l == nil {
			continue // it is empty, or its mistake is reported without quoting it
		}
		empty = false
		_, known := rowsByName[l.keyword]
		switch l.keyword {
		case "host", "match", "include", "ignoreunknown":
			known = true
		}
		if known || harmlessKeywords[l.keyword] {
			return true
		}
	}
	return empty
}

// line parses one line.
func (p *parser) line(f *configFile, l *sourceLine) {
	current := &f.blocks[len(f.blocks)-1]
	switch l.keyword {
	case "host":
		f.blocks = append(f.blocks, block{when: p.hostCondition(l)})
	case "match":
		f.blocks = append(f.blocks, block{when: p.matchCondition(l)})
	case "include":
		if files := p.include(l); len(files) > 0 {
			current.items = append(current.items, item{included: files})
		}
	case "ignoreunknown":
		if len(l.args) == 1 && p.ignored == nil {
			p.ignored = parsePatterns(l.args[0], true)
		}
	default:
		if d := p.directive(l); d != nil {
			current.items = append(current.items, item{value: d})
		}
	}
}

// directive parses a line with a value; nil if the value is ignored.
func (p *parser) directive(l *sourceLine) *directive {
	word, known := rowsByName[l.keyword]
	switch {
	case !known && harmlessKeywords[l.keyword], matchPatterns(p.ignored, l.keyword):
		return nil
	case !known:
		text := fmt.Sprintf("unknown keyword %q", l.keyword)
		if near := yamltree.Nearest(l.keyword, keywordNames()); near != "" {
			text += fmt.Sprintf("; did you mean %s?", near)
		}
		p.warnf(l, l.keyword, "%s", text)
		return nil
	}
	d := &directive{key: word.key, origin: l.origin(word.name)}
	if err := word.read(l, d); err != nil {
		p.errorf(l, "%s: %v", word.name, err)
		return nil
	}
	return d
}

// The characters that part words on a line.
const spaces = " \t\r\n"

var errQuotes = errors.New("unclosed quote")

// splitLine cuts a line into its keyword and the words of its value. It is
// nil for a line that says nothing.
func splitLine(line string) (*sourceLine, error) {
	line = strings.TrimRight(line, spaces+"\f")
	keyword, rest, ok := cutWord(line)
	if ok && keyword == "" {
		keyword, rest, ok = cutWord(rest)
	}
	if !ok {
		return nil, errQuotes
	}
	if keyword == "" || keyword[0] == '#' {
		return nil, nil
	}
	l := &sourceLine{
		column:  1 + len(line) - len(strings.TrimLeft(line, spaces)),
		keyword: strings.ToLower(keyword),
		rest:    strings.TrimLeft(rest, spaces),
	}
	if l.rest == "" {
		return l, fmt.Errorf("%s: missing value", keyword)
	}
	args, err := splitArgs(l.rest)
	if err != nil {
		return l, fmt.Errorf("%s: %w", keyword, err)
	}
	l.args = args
	return l, nil
}

// cutWord cuts off the first word of s, and one = that follows it. A part of
// the word may stand in quotes. It fails on a quote without an end.
func cutWord(s string) (word, rest string, ok bool) {
	i := strings.IndexAny(s, spaces+`"=`)
	if i < 0 {
		return s, "", true
	}
	if s[i] == '"' {
		quoted, rest, ok := strings.Cut(s[i+1:], `"`)
		return s[:i] + quoted, strings.TrimLeft(rest, spaces), ok
	}
	rest = strings.TrimLeft(s[i+1:], spaces)
	if s[i] != '=' && strings.HasPrefix(rest, "=") {
		rest = strings.TrimLeft(rest[1:], spaces)
	}
	return s[:i], rest, true
}

// splitArgs cuts a value into words, up to a comment. Both kinds of quotes
// keep spaces, a backslash takes away the meaning of a quote, a backslash and,
// outside quotes, a space.
func splitArgs(s string) ([]string, error) {
	var args []string
	for i := 0; i < len(s); {
		switch s[i] {
		case ' ', '\t':
			i++
			continue
		case '#':
			return args, nil
		}
		arg, n, err := cutArg(s[i:])
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
		i += n
	}
	return args, nil
}

// cutArg returns the first word of s and how many bytes it takes there.
func cutArg(s string) (arg string, n int, err error) {
	var b strings.Builder
	quote := byte(0)
	i := 0
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && (strings.IndexByte(`'"\`, s[i+1]) >= 0 || quote == 0 && s[i+1] == ' '):
			i++
			b.WriteByte(s[i])
		case quote == 0 && (c == ' ' || c == '\t'):
			return b.String(), i, nil
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", 0, errQuotes
	}
	return b.String(), i, nil
}
