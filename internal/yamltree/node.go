package yamltree

import (
	"fmt"
	"iter"
	"slices"

	"go.yaml.in/yaml/v4"
)

// A Kind says what a Node is.
type Kind int

const (
	// Null is nothing, or an unquoted null or ~.
	Null Kind = iota
	// Scalar is a piece of text.
	Scalar
	// Map is keys with values.
	Map
	// List is values in a row.
	List
)

// String is how an error names the kind.
func (k Kind) String() string {
	switch k {
	case Scalar:
		return "a single value"
	case Map:
		return "a mapping"
	case List:
		return "a list"
	}
	return "nothing"
}

// A Pos is a place in a file. Line and Column count from 1, the column in
// characters; 0 is unknown.
type Pos struct {
	File   string
	Line   int
	Column int
}

// String is file:line:column, without the parts that are not known.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// A Node is one value of a document.
type Node struct {
	n    *yaml.Node // never an alias
	file string
}

// Kind says what the node is.
func (n Node) Kind() Kind {
	switch {
	case n.n == nil:
		return Null
	case n.n.Kind == yaml.MappingNode:
		return Map
	case n.n.Kind == yaml.SequenceNode:
		return List
	case n.n.Tag == nullTag:
		return Null
	}
	return Scalar
}

// Pos is where the node begins. What is reached through an alias stands where
// its anchor is.
func (n Node) Pos() Pos {
	if n.n == nil {
		return Pos{File: n.file}
	}
	return Pos{File: n.file, Line: n.n.Line, Column: n.n.Column}
}

// Text is a scalar as written, without its quotes; empty for a Map or a List.
// An unquoted null has its text as well, because it may be a name.
func (n Node) Text() string {
	if n.n == nil || n.n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.n.Value
}

// Items goes over a List, or over nothing.
func (n Node) Items() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if n.Kind() != List {
			return
		}
		for _, c := range n.n.Content {
			if !yield(n.child(c)) {
				return
			}
		}
	}
}

// Fields goes over the keys and values of a Map in the order of the file, or
// over nothing. Keys are scalars. What the map merges (<<) comes as with
// [Node.Merged].
func (n Node) Fields() iter.Seq2[Node, Node] {
	if n.merges() {
		return n.Merged()
	}
	return n.written()
}

// written are the fields as they are written, without merging.
func (n Node) written() iter.Seq2[Node, Node] {
	return func(yield func(key, value Node) bool) {
		if n.Kind() != Map {
			return
		}
		for i := 0; i+1 < len(n.n.Content); i += 2 {
			if !yield(n.child(n.n.Content[i]), n.child(n.n.Content[i+1])) {
				return
			}
		}
	}
}

// merges reports whether a Map merges others.
func (n Node) merges() bool {
	if n.Kind() != Map {
		return false
	}
	for i := 0; i+1 < len(n.n.Content); i += 2 {
		if key := resolve(n.n.Content[i]); key.Kind == yaml.ScalarNode && key.Tag == mergeTag {
			return true
		}
	}
	return false
}

// Field is the value under key, and whether there is one.
func (n Node) Field(key string) (Node, bool) {
	for k, v := range n.written() {
		if k.Text() == key {
			return v, true
		}
	}
	if n.merges() {
		for k, v := range n.Merged() {
			if k.Text() == key {
				return v, true
			}
		}
	}
	return Node{file: n.file}, false
}

// Own reports whether a document is one of the caller's: a Map that has one of
// the keys, or a misspelling of one.
func (n Node) Own(keys ...string) bool {
	for k := range n.Fields() {
		if slices.Contains(keys, k.Text()) || Nearest(k.Text(), keys) != "" {
			return true
		}
	}
	return false
}

func (n Node) child(c *yaml.Node) Node {
	return Node{n: resolve(c), file: n.file}
}

// resolve follows an alias to its anchor.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
