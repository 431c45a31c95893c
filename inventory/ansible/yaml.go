package ansible

import (
	"fmt"
	"slices"

	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// The keys of a group in YAML.
var groupKeys = []string{"hosts", "vars", "children"}

// IsInventory recognises the shape of Ansible's YAML: groups at the top.
func IsInventory(root yamltree.Node) bool {
	found := false
	for key, value := range root.Fields() {
		found = found || key.Text() == groupAll || key.Text() == groupUngrouped || isGroup(value) || key.Text() == "plugin"
	}
	return found
}

func isGroup(n yamltree.Node) bool {
	return slices.ContainsFunc(groupKeys, func(key string) bool {
		_, ok := n.Field(key)
		return ok
	})
}

// A yamlReader interprets the nodes of one YAML file.
type yamlReader struct {
	*Inventory
	source *source
}

// ReadYAML reads an Ansible inventory in YAML into a.
func (a *Inventory) ReadYAML(f layer.File, root yamltree.Node) error {
	r := &yamlReader{Inventory: a, source: newSource(f)}
	a.addSource(r.source)
	if _, ok := root.Field("plugin"); ok {
		a.problems.Addf(root.Pos(), "this configures an Ansible inventory plugin, which only Ansible can run; "+
			"instead, name a program that prints the output of `ansible-inventory -i %s --list`", f.Path)
		return a.problems.Err()
	}
	for key, value := range root.Merged() {
		r.group(key, value, nil)
	}
	return a.problems.Err()
}

// group reads a group, which may stand in another.
func (r *yamlReader) group(key, value yamltree.Node, parent *group) {
	name := key.Text()
	if err := checkGroup(name); err != nil {
		r.problems.Addf(key.Pos(), "group: %v", err)
		return
	}
	what := "group " + name
	if value.Kind() != yamltree.Map && value.Kind() != yamltree.Null {
		r.problems.Addf(value.Pos(), "%s: want a mapping with hosts, vars or children, got %s", what, value.Kind())
		return
	}
	g := r.Inventory.group(name, r.origin(key, what))
	g.declared = true
	if parent != nil {
		r.addChild(parent, g, r.origin(key, "group "+parent.name))
	}
	for k, v := range value.Merged() {
		section := k.Text()
		if !slices.Contains(groupKeys, section) {
			hint := ""
			if near := yamltree.Nearest(section, groupKeys); near != "" {
				hint = fmt.Sprintf("; did you mean %q?", near)
			}
			r.warnOnce(fmt.Sprintf("%s: %s: unknown key %s%s", k.Pos(), what, hostlist.Quote(section), hint))
			continue
		}
		r.fields(v, what+": "+section, func(k, v yamltree.Node) {
			switch section {
			case "hosts":
				r.host(k, v, g)
			case "vars":
				g.set(k.Text(), yamlVar(v, what, r.source))
			default:
				r.group(k, v, g)
			}
		})
	}
}

// fields goes over a mapping. A single name stands for one without a value.
func (r *yamlReader) fields(n yamltree.Node, what string, field func(key, value yamltree.Node)) {
	switch n.Kind() {
	case yamltree.Null:
	case yamltree.Scalar:
		field(n, yamltree.Node{})
	case yamltree.Map:
		for key, value := range n.Merged() {
			field(key, value)
		}
	default:
		r.problems.Addf(n.Pos(), "%s: want a mapping, got %s; in Ansible's YAML each name is a key, followed by a colon", what, n.Kind())
	}
}

// host reads a host, or a range of them, with its variables.
func (r *yamlReader) host(key, value yamltree.Node, g *group) {
	via := "host " + hostlist.Printable(key.Text())
	if value.Kind() != yamltree.Map && value.Kind() != yamltree.Null {
		r.problems.Addf(value.Pos(), "%s: want a mapping from variables to values, got %s", via, value.Kind())
		return
	}
	var vars values
	for k, v := range value.Merged() {
		if _, ok := variableNamed(k.Text()); ok {
			vars.set(k.Text(), yamlVar(v, via, r.source))
		}
	}
	if err := r.addHosts(key.Text(), r.origin(key, via), g, r.source, &vars); err != nil {
		r.problems.Addf(key.Pos(), "%v", err)
	}
}

func (r *yamlReader) origin(n yamltree.Node, via string) layer.Origin {
	at := n.Pos()
	return layer.Origin{File: at.File, Line: at.Line, Column: at.Column, Via: via}
}
