package inventory

import (
	"fmt"
	"slices"

	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// The keys of a group in YAML.
var ansibleGroupKeys = []string{"hosts", "vars", "children"}

// isAnsible recognises the shape of Ansible's YAML, groups at the top, in a file
// that has no key of our own there.
func isAnsible(root yamltree.Node) bool {
	found := false
	for key, value := range root.Fields() {
		if slices.Contains(topKeys, key.Text()) {
			return false
		}
		found = found || key.Text() == ansibleAll || key.Text() == ansibleUngrouped || isAnsibleGroup(value) || key.Text() == "plugin"
	}
	return found
}

func isAnsibleGroup(n yamltree.Node) bool {
	return slices.ContainsFunc(ansibleGroupKeys, func(key string) bool {
		_, ok := n.Field(key)
		return ok
	})
}

// An ansibleReader gives the nodes of one YAML file their meaning.
type ansibleReader struct {
	*ansible
	source *ansibleSource
}

// parseYAML reads an Ansible inventory in YAML into a.
func (a *ansible) parseYAML(f layer.File, root yamltree.Node) error {
	r := &ansibleReader{ansible: a, source: newSource(f)}
	a.addSource(r.source)
	if _, ok := root.Field("plugin"); ok {
		a.problems.Addf(root.Pos(), "this configures an inventory plugin of Ansible's, which only Ansible can run; "+
			"a program that prints what `ansible-inventory -i %s --list` prints can be named with -i", f.Path)
		return a.problems.Err()
	}
	for key, value := range root.Merged() {
		r.group(key, value, nil)
	}
	return a.problems.Err()
}

// group reads a group, which may stand in another.
func (r *ansibleReader) group(key, value yamltree.Node, parent *ansibleGroup) {
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
	g := r.ansible.group(name, r.origin(key, what))
	g.declared = true
	if parent != nil {
		r.addChild(parent, g, r.origin(key, "group "+parent.name))
	}
	for k, v := range value.Merged() {
		section := k.Text()
		if !slices.Contains(ansibleGroupKeys, section) {
			hint := ""
			if near := yamltree.Nearest(section, ansibleGroupKeys); near != "" {
				hint = fmt.Sprintf("; did you mean %q?", near)
			}
			r.warnOnce(fmt.Sprintf("%s: %s: %s means nothing here%s", k.Pos(), what, hostlist.Quote(section), hint))
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
func (r *ansibleReader) fields(n yamltree.Node, what string, field func(key, value yamltree.Node)) {
	switch n.Kind() {
	case yamltree.Null:
	case yamltree.Scalar:
		field(n, yamltree.Node{})
	case yamltree.Map:
		for key, value := range n.Merged() {
			field(key, value)
		}
	default:
		r.problems.Addf(n.Pos(), "%s: want a mapping, got %s; in Ansible's YAML each name is a key, with a colon behind it", what, n.Kind())
	}
}

// host reads a host, or a range of them, with its variables.
func (r *ansibleReader) host(key, value yamltree.Node, g *ansibleGroup) {
	via := "host " + hostlist.Printable(key.Text())
	if value.Kind() != yamltree.Map && value.Kind() != yamltree.Null {
		r.problems.Addf(value.Pos(), "%s: want a mapping from variables to values, got %s", via, value.Kind())
		return
	}
	var vars ansibleVars
	for k, v := range value.Merged() {
		if _, ok := variableNamed(k.Text()); ok {
			vars.set(k.Text(), yamlVar(v, via, r.source))
		}
	}
	if err := r.addHosts(key.Text(), r.origin(key, via), g, r.source, &vars); err != nil {
		r.problems.Addf(key.Pos(), "%v", err)
	}
}

func (r *ansibleReader) origin(n yamltree.Node, via string) layer.Origin {
	at := n.Pos()
	return layer.Origin{File: at.File, Line: at.Line, Column: at.Column, Via: via}
}
