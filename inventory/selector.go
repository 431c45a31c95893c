package inventory

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"tutti/fanout"
	"tutti/internal/hostlist"
)

// A Selector chooses hosts of an inventory. The zero value chooses all.
//
// It is a list of items. The hosts of the plain items are united (all hosts, if
// there is no plain item), then every &item keeps only its own, then every
// !item takes its own away, wherever the items stand.
type Selector struct{ items []item }

// An op says what an item does with its hosts.
type op byte

const (
	opAdd     op = 0
	opKeep    op = '&'
	opExclude op = '!'
)

// An itemKind says how an item names its hosts.
type itemKind int

const (
	itemName itemKind = iota
	itemAll
	itemWildcard
	itemRegexp
	itemLabel
	itemFile
	itemRun
)

// An item is one part of a selector.
type item struct {
	op   op
	kind itemKind
	// text is the item without its op and quotes.
	text string
	// key is where the item was given: "only", "exclude", or empty for the selector
	// itself; place is its place there, from 1.
	key   string
	place int

	names  hostlist.Pattern // of itemName and itemWildcard
	regexp *regexp.Regexp   // of itemRegexp
	// label is what an itemLabel asks for; value may hold wildcards.
	label, value string
	negated      bool
	path         string // of itemFile
	// ref and outcomes of itemRun; no outcomes: all.
	ref      string
	outcomes []fanout.Outcome
}

// A SelectorError is a mistake in the text of a selector.
type SelectorError struct {
	Text string
	// Column counts characters of Text from 1.
	Column int
	Msg    string
}

// Error shows the text, the column and what is wrong.
func (e *SelectorError) Error() string {
	return fmt.Sprintf("selector %s: column %d: %s", hostlist.Quote(e.Text), e.Column, e.Msg)
}

// ParseSelector reads a selector. An error is a [*SelectorError]. Files and
// runs that the selector refers to are read when it is used.
func ParseSelector(text string) (Selector, error) {
	items, err := parseItems(text)
	if err != nil {
		return Selector{}, &SelectorError{Text: text, Column: hostlist.Column(text, err.Offset), Msg: err.Error()}
	}
	for i := range items {
		items[i].place = i + 1
	}
	return Selector{items: items}, nil
}

// Only returns s with one more item that narrows it: &item. The text is a single
// item without an operator.
func (s Selector) Only(text string) (Selector, error) {
	return s.with(opKeep, "only", text)
}

// Exclude returns s without the hosts of text, an item or a list of them, each
// without an operator.
func (s Selector) Exclude(text string) (Selector, error) {
	return s.with(opExclude, "exclude", text)
}

func (s Selector) with(o op, key, text string) (Selector, error) {
	more, err := ParseSelector(text)
	if err != nil {
		return Selector{}, err
	}
	if o == opKeep && len(more.items) > 1 {
		return Selector{}, &SelectorError{Text: text, Column: 1, Msg: "want one item, got several; repeat the flag"}
	}
	items := s.items[:len(s.items):len(s.items)]
	for _, it := range more.items {
		if it.op != opAdd {
			return Selector{}, &SelectorError{Text: text, Column: 1, Msg: fmt.Sprintf("an item cannot begin with %c here", it.op)}
		}
		it.op, it.key = o, key
		it.place = 1 + Selector{items: items}.count(key)
		items = append(items, it)
	}
	return Selector{items: items}, nil
}

// count is how many items were given by a key.
func (s Selector) count(key string) int {
	n := 0
	for i := range s.items {
		if s.items[i].key == key {
			n++
		}
	}
	return n
}

// placed is err, about an item of s, with the place of the item.
func (s Selector) placed(it item, err error) error {
	none, ok := errors.AsType[*NoMatchError](err)
	if !ok || len(s.items) < 2 {
		return err
	}
	none.place = s.placeOf(it)
	return err
}

// placeOf is which item of s it is, without its text.
func (s Selector) placeOf(it item) string {
	if it.key != "" {
		return fmt.Sprintf("item %d of %s", it.place, it.key)
	}
	return fmt.Sprintf("item %d of %d", it.place, s.count(""))
}

// UsesRuns reports whether the selector refers to earlier runs.
func (s Selector) UsesRuns() bool {
	for _, it := range s.items {
		if it.kind == itemRun {
			return true
		}
	}
	return false
}

// Files are the paths that the selector refers to, as they are written.
func (s Selector) Files() []string {
	var paths []string
	for _, it := range s.items {
		if it.kind == itemFile {
			paths = append(paths, it.path)
		}
	}
	return paths
}

// String returns a text that parses to the same selector; "all" for the zero
// value.
func (s Selector) String() string {
	if len(s.items) == 0 {
		return "all"
	}
	var b strings.Builder
	for i, it := range s.items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(it.String())
	}
	return b.String()
}

// String is the item as it is written, in quotes if it needs them.
func (it item) String() string {
	prefix := ""
	if it.op != opAdd {
		prefix = string(rune(it.op))
	}
	bare := prefix + it.text
	if raw, err := splitItems(bare); err == nil && len(raw) == 1 && raw[0].op == it.op && raw[0].text == it.text {
		return bare
	}
	return prefix + "'" + strings.ReplaceAll(it.text, "'", "''") + "'"
}

// A rawItem is an item before its text is parsed.
type rawItem struct {
	op     op
	text   string
	offset int // of the text
}

func parseItems(text string) ([]item, *hostlist.SyntaxError) {
	raw, err := splitItems(text)
	if err != nil {
		return nil, err
	}
	items := make([]item, len(raw))
	for i, r := range raw {
		it, err := parseItem(r.text)
		if err != nil {
			err.Offset += r.offset
			return nil, err
		}
		it.op = r.op
		items[i] = it
	}
	return items, nil
}

// splitItems splits a selector at the commas that stand in no quotes and no
// brackets.
func splitItems(text string) ([]rawItem, *hostlist.SyntaxError) {
	if !utf8.ValidString(text) {
		return nil, hostlist.Errorf(0, "the text is not UTF-8")
	}
	var raw []rawItem
	for at := 0; ; {
		r, next, err := nextItem(text, at)
		if err != nil {
			return nil, err
		}
		raw = append(raw, r)
		if next >= len(text) {
			return raw, nil
		}
		at = next + 1
	}
}

const spaces = " \t\r\n"

// nextItem reads the item at an offset, and returns the offset of the comma
// after it, or of the end.
func nextItem(text string, at int) (r rawItem, next int, err *hostlist.SyntaxError) {
	skip := func() { at += len(text[at:]) - len(strings.TrimLeft(text[at:], spaces)) }
	skip()
	if at < len(text) && (text[at] == byte(opKeep) || text[at] == byte(opExclude)) {
		r.op = op(text[at])
		at++
		skip()
	}
	if at < len(text) && text[at] == '\'' {
		r.text, next, err = quotedItem(text, at)
		r.offset = at + 1
		return r, next, err
	}
	end, err := itemEnd(text, at)
	if err != nil {
		return r, 0, err
	}
	r.offset = at
	r.text = strings.TrimRight(text[at:end], spaces)
	if r.text == "" {
		return r, 0, hostlist.Errorf(at, "missing item")
	}
	return r, end, nil
}

// quotedItem reads an item in quotes; two quotes in it stand for one.
func quotedItem(text string, at int) (inner string, next int, err *hostlist.SyntaxError) {
	var b strings.Builder
	for i := at + 1; i < len(text); i++ {
		if text[i] != '\'' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		rest := strings.TrimLeft(text[i+1:], spaces)
		next = len(text) - len(rest)
		switch {
		case rest != "" && rest[0] != ',':
			return "", 0, hostlist.Errorf(next, "want a comma after the quoted item")
		case b.Len() == 0:
			return "", 0, hostlist.Errorf(at, "empty quoted item")
		}
		return b.String(), next, nil
	}
	return "", 0, hostlist.Errorf(at, "unclosed quote")
}

// itemEnd finds the comma that ends an item without quotes, or the end of text.
// In a regular expression a backslash takes the meaning from what follows.
func itemEnd(text string, at int) (int, *hostlist.SyntaxError) {
	escapes := at < len(text) && text[at] == '~'
	var open []int
	for i := at; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && escapes:
			i++
		case c == '[' || c == '{':
			open = append(open, i)
		case c == ']' || c == '}':
			// ']' is two after '[' in ASCII, and so is '}' after '{'.
			if n := len(open); n > 0 && text[open[n-1]] == c-2 {
				open = open[:n-1]
			}
		case c == ',' && len(open) == 0:
			return i, nil
		}
	}
	if len(open) > 0 {
		return 0, hostlist.Errorf(open[len(open)-1], "%c is not closed; if that is intended, quote the item ('…')", text[open[len(open)-1]])
	}
	return len(text), nil
}
