package yamltree

import (
	"iter"

	"go.yaml.in/yaml/v4"
)

// ParseLoose reads a document that was written for another program: tags may be
// any, keys may stand twice or be no scalars, and mappings may merge others.
// [Node.Merged] gives such mappings their meaning; [Node.Strict] returns what
// Parse would have refused. Everything else is as with Parse.
func ParseLoose(file string, data []byte) (Node, error) {
	root, err := parse(file, data, false)
	if err != nil {
		err = Bare(err) // it may be another program's file, which is not quoted
	}
	return root, err
}

// Strict returns what Parse refuses in a document that was read loosely, as an
// [*Errors], or nil.
func (n Node) Strict() error {
	if n.n == nil {
		return nil
	}
	var problems Problems
	c := checker{file: n.file, problems: &problems, sizes: map[*yaml.Node]int{}, strict: true}
	c.node(n.n)
	return problems.Err()
}

// Tag is the tag that stands at the node, such as "!vault"; empty if there is
// none.
func (n Node) Tag() string {
	if n.n == nil || n.n.Style&yaml.TaggedStyle == 0 {
		return ""
	}
	return n.n.Tag
}

// maxMerge is how deep mappings may merge one another.
const maxMerge = 100

// Merged goes over the keys and values of a Map, those of the mappings that it
// merges (<<) included. A key that the map has itself wins over merged ones, and
// of two equal keys the later. Keys that are no scalars are left out.
func (n Node) Merged() iter.Seq2[Node, Node] {
	return func(yield func(key, value Node) bool) {
		if n.Kind() != Map {
			return
		}
		m := merger{index: make(map[string]int)}
		m.add(n.n, 0)
		for i := range m.keys {
			if !yield(n.child(m.keys[i]), n.child(m.values[i])) {
				return
			}
		}
	}
}

// A merger collects the fields of a mapping.
type merger struct {
	keys, values []*yaml.Node
	index        map[string]int
	// depth at which a key was found; what is further out wins.
	depth []int
}

func (m *merger) add(n *yaml.Node, depth int) {
	if n.Kind != yaml.MappingNode || depth > maxMerge {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), resolve(n.Content[i+1])
		switch {
		case key.Kind != yaml.ScalarNode:
		case key.Tag == mergeTag && value.Kind == yaml.SequenceNode:
			for _, c := range value.Content {
				m.add(resolve(c), depth+1)
			}
		case key.Tag == mergeTag:
			m.add(value, depth+1)
		default:
			m.set(key, value, depth)
		}
	}
}

// set takes a field unless one from further out, or an earlier one of what is
// merged, has the key.
func (m *merger) set(key, value *yaml.Node, depth int) {
	i, ok := m.index[key.Value]
	if !ok {
		m.index[key.Value] = len(m.keys)
		m.keys, m.values, m.depth = append(m.keys, key), append(m.values, value), append(m.depth, depth)
		return
	}
	if depth < m.depth[i] || depth == 0 {
		m.keys[i], m.values[i], m.depth[i] = key, value, depth
	}
}
