package inventory

import (
	"strings"

	"tutti/fanout"
	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// A nameList is what a mapping from names to single values may have.
type nameList struct {
	word string // how messages call it
	one  string // what stands before a name in messages
	key  func(name string) layer.Key
	// name and value say what is wrong with one; empty: nothing.
	name, value func(text string) string
}

var labelList = nameList{
	word: "labels", one: "label ", key: layer.LabelKey,
	name: func(name string) string {
		if hostlist.ValidName(name) {
			return ""
		}
		return hostlist.Quote(name) + " is not a label name: want letters, digits and _ . : -"
	},
	value: func(text string) string {
		if !layer.HasControl(text) {
			return ""
		}
		return hostlist.Quote(text) + " contains a control character"
	},
}

// envList is the one of variables. What a value means is the command's matter, so that
// line breaks and whatever else are kept; only NUL cannot be in one.
var envList = nameList{
	word: "env", one: "env: ", key: layer.EnvKey,
	name: func(name string) string {
		if fanout.IsVariableName(name) {
			return ""
		}
		return "env: " + hostlist.Quote(name) + " is not a variable name: want letters, digits and _, not starting with a digit"
	},
	value: func(text string) string {
		if !strings.ContainsRune(text, 0) {
			return ""
		}
		return "the value contains a NUL byte"
	},
}

// names reads the entries of n.
func (r *yamlReader) names(n yamltree.Node, what string, list nameList) layer.Values {
	if n.Kind() != yamltree.Map && n.Kind() != yamltree.Null {
		r.problems.Addf(n.Pos(), "%s: %s: want a mapping from names to values, got %s", what, list.word, n.Kind())
		return nil
	}
	var own layer.Values
	for key, value := range n.Fields() {
		name, text := key.Text(), value.Text()
		if value.Kind() == yamltree.Null {
			text = ""
		}
		if wrong := list.name(name); wrong != "" {
			r.problems.Addf(key.Pos(), "%s: %s", what, wrong)
		} else if value.Kind() == yamltree.Map || value.Kind() == yamltree.List {
			r.problems.Addf(value.Pos(), "%s: %s%s: want a single value, got %s", what, list.one, name, value.Kind())
		} else if wrong := list.value(text); wrong != "" {
			r.problems.Addf(value.Pos(), "%s: %s%s: %s", what, list.one, name, wrong)
		} else {
			own = append(own, layer.Value{Key: list.key(name), Text: text, Origin: r.origin(value, what)})
		}
	}
	return own
}
