package yamltree

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// smallMap is how many keys are compared one by one before a set pays off.
const smallMap = 16

// A checker looks for what the parser lets through and a Node never shows.
type checker struct {
	file     string
	problems *Problems
	// sizes of anchored nodes with all they contain; 0 while one is open.
	sizes map[*yaml.Node]int
	// strict checkers also look at tags and keys.
	strict bool
	// aliased counts the nodes that aliases stand for.
	aliased int
}

// node checks n and what it contains, and returns how many nodes that is once
// aliases are followed, or some number above maxAliased.
func (c *checker) node(n *yaml.Node) int {
	if n.Kind == yaml.AliasNode {
		return c.alias(n)
	}
	if n.Anchor != "" {
		c.sizes[n] = 0
	}
	if c.strict {
		c.tag(n)
		if n.Kind == yaml.MappingNode {
			c.keys(n)
		}
	}
	size := 1
	for _, child := range n.Content {
		size = min(size+c.node(child), maxAliased+1)
	}
	if n.Anchor != "" {
		c.sizes[n] = size
	}
	return size
}

func (c *checker) alias(n *yaml.Node) int {
	size := c.sizes[n.Alias]
	if size == 0 {
		c.problems.Addf(c.pos(n), "the alias *%s contains itself", n.Value)
		return 1
	}
	c.aliased = min(c.aliased+size, maxAliased+1)
	return size
}

// tag refuses tags that would change what a value means.
func (c *checker) tag(n *yaml.Node) {
	if n.Style&yaml.TaggedStyle == 0 {
		return
	}
	switch n.Tag {
	case "!!str", "!!int", "!!float", "!!bool", nullTag, "!!map", "!!seq", "!":
	default:
		c.problems.Addf(c.pos(n), "unsupported tag %q", n.Tag)
	}
}

// keys refuses keys that are not scalars, stand twice, or merge what
// cannot be merged.
func (c *checker) keys(n *yaml.Node) {
	var seen map[string]*yaml.Node
	if len(n.Content)/2 > smallMap {
		seen = make(map[string]*yaml.Node, len(n.Content)/2)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolve(n.Content[i])
		switch {
		case key.Kind != yaml.ScalarNode:
			c.problems.Addf(c.pos(key), "a key must be a single value; a name with brackets needs quotes")
			continue
		case key.Tag == mergeTag:
			c.merge(n.Content[i+1])
			continue
		}
		var first *yaml.Node
		if seen != nil {
			first = seen[key.Value]
			seen[key.Value] = key
		} else {
			first = earlier(n.Content[:i], key.Value)
		}
		if first != nil {
			c.problems.Addf(c.pos(n.Content[i]), "duplicate key %q; the first is at line %d, column %d",
				strings.TrimSpace(key.Value), first.Line, first.Column)
		}
	}
}

// merge refuses to merge what is no mapping.
func (c *checker) merge(n *yaml.Node) {
	value := resolve(n)
	if value.Kind == yaml.MappingNode {
		return
	}
	if value.Kind != yaml.SequenceNode {
		c.problems.Addf(c.pos(n), "<<: want a mapping or a list of mappings, such as *NAME of one marked &NAME")
		return
	}
	for _, item := range value.Content {
		if resolve(item).Kind != yaml.MappingNode {
			c.problems.Addf(c.pos(item), "<<: want a mapping, such as *NAME of one marked &NAME")
		}
	}
}

// earlier finds the key with the given text among the fields of a mapping.
func earlier(fields []*yaml.Node, text string) *yaml.Node {
	for i := 0; i < len(fields); i += 2 {
		if k := resolve(fields[i]); k.Kind == yaml.ScalarNode && k.Value == text {
			return k
		}
	}
	return nil
}

func (c *checker) pos(n *yaml.Node) Pos {
	return Pos{File: c.file, Line: n.Line, Column: n.Column}
}
