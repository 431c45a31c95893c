package yamltree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxAliased is how many nodes aliases may add to a document.
const maxAliased = 1_000_000

const (
	nullTag  = "!!null"
	mergeTag = "!!merge"
)

// Parse reads the document in data; file is its name in positions. A document
// that is missing or empty is a null Node. An error is an [*Errors]. It quotes
// the document only if [Node.Own] recognises it as the caller's, by the keys in own.
func Parse(file string, data []byte, own ...string) (Node, error) {
	root, err := parse(file, data, true)
	if err != nil && !root.Own(own...) {
		err = Bare(err)
	}
	return root, err
}

func parse(file string, data []byte, strict bool) (Node, error) {
	var problems Problems
	if err := CheckText(file, data); err != nil {
		problems.list = append(problems.list, err)
		return Node{}, problems.Err()
	}
	root, err := load(file, data)
	if err != nil {
		problems.list = append(problems.list, err)
		return Node{}, problems.Err()
	}
	if root == nil {
		return Node{file: file}, nil
	}
	c := checker{file: file, problems: &problems, sizes: map[*yaml.Node]int{}, strict: strict}
	c.node(root)
	if c.aliased > maxAliased {
		problems.Addf(Pos{File: file, Line: root.Line, Column: root.Column},
			"aliases expand the document to more than %d values", maxAliased)
	}
	return Node{n: root, file: file}, problems.Err()
}

// CheckText reports the first byte of data that cannot be in a text file: bad
// UTF-8 or a control character. It returns nil if there is none. A byte order
// mark of UTF-16 is named as such.
func CheckText(file string, data []byte) *Error {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return &Error{Pos: Pos{File: file, Line: 1, Column: 1}, Msg: "the file is UTF-16; save it as UTF-8"}
	}
	line, start := 1, 0
	for i := 0; i < len(data); {
		c := data[i]
		if c >= ' ' && c < utf8.RuneSelf && c != 0x7f || c == '\t' || c == '\r' {
			i++
			continue
		}
		if c == '\n' {
			i++
			line, start = line+1, i
			continue
		}
		r, size := utf8.DecodeRune(data[i:])
		at := Pos{File: file, Line: line, Column: utf8.RuneCount(data[start:i]) + 1}
		if r == utf8.RuneError && size <= 1 {
			return &Error{Pos: at, Msg: fmt.Sprintf("the file is not UTF-8: byte 0x%02x", c)}
		}
		if c < utf8.RuneSelf {
			return &Error{Pos: at, Msg: fmt.Sprintf("control character 0x%02x", c)}
		}
		i += size
	}
	return nil
}

// load returns the only document's root with its alias resolved, nil if there
// is no document.
func load(file string, data []byte) (*yaml.Node, *Error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, syntaxError(file, data, err)
	}
	var doc, second yaml.Node
	if err := loader.Load(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntaxError(file, data, err)
	}
	if err := loader.Load(&second); err == nil {
		return nil, Errorf(Pos{File: file, Line: second.Line, Column: second.Column}, "a second document starts here; a file contains one")
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxError(file, data, err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return nil, nil
	}
	return resolve(doc.Content[0]), nil
}

// syntaxError gives the parser's complaint its place in the file.
func syntaxError(file string, data []byte, err error) *Error {
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return &Error{Pos: Pos{File: file, Line: 1, Column: 1}, Msg: libraryError(err)}
	}
	mark := le.Mark
	if mark.Line == 0 {
		mark = le.ContextMark
	}
	e := &Error{Pos: Pos{File: file, Line: max(mark.Line, 1), Column: max(mark.Column, 1)}, Msg: le.Message}
	if strings.HasPrefix(le.Message, "unknown anchor") {
		// The library's other messages have nothing of the file.
		e.Msg = "the alias (*) has no anchor (&); text that begins with * needs quotes"
		return e
	}
	if strings.Contains(le.Message, "cannot start any token") {
		e.Msg = badStart(charAt(data, e.Line, e.Column))
		return e
	}
	if le.ContextMsg != "" && le.ContextMark.Line > 0 {
		e.Msg += fmt.Sprintf(" (%s that begins at line %d, column %d)",
			le.ContextMsg, le.ContextMark.Line, le.ContextMark.Column)
	}
	return e
}

// libraryError is an error without a position. The library's own are about how
// much it takes; they quote nothing.
func libraryError(err error) string {
	return strings.TrimPrefix(err.Error(), "yaml: ")
}

// badStart explains a character that no YAML value begins with.
func badStart(c rune) string {
	if c == '\t' {
		return "indent with spaces, not tabs"
	}
	return fmt.Sprintf("a value cannot begin with %q: put it in quotes", c)
}

// charAt is the character at a position, 0 if there is none.
func charAt(data []byte, line, column int) rune {
	for ; line > 1; line-- {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			return 0
		}
		data = data[i+1:]
	}
	for ; column > 1 && len(data) > 0; column-- {
		_, size := utf8.DecodeRune(data)
		data = data[size:]
	}
	if len(data) == 0 {
		return 0
	}
	r, _ := utf8.DecodeRune(data)
	return r
}
