package ansible

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// The kinds of sections in an INI file.
const (
	sectionHosts    = "hosts"
	sectionVars     = "vars"
	sectionChildren = "children"
)

var sectionKinds = []string{sectionHosts, sectionVars, sectionChildren}

var (
	sectionHeading = regexp.MustCompile(`^\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?$`)
	sectionChild   = regexp.MustCompile(`^([^:\]\s]+)\s*(?:#.*)?$`)
)

// An iniReader gives the lines of one INI file their meaning.
type iniReader struct {
	*Inventory
	source *source
	// line is the current line.
	line   string
	number int
	// group and kind are those of the current section; no group: its heading is wrong.
	group *group
	kind  string
	// mentions are groups that one of the files must declare.
	mentions []mention
}

// A mention is a group that a section is about, and where.
type mention struct {
	group  *group
	origin layer.Origin
	what   string
}

// ReadINI reads an Ansible inventory in INI form into a.
func (a *Inventory) ReadINI(f layer.File, text string) error {
	r := &iniReader{Inventory: a, source: newSource(f), group: a.groupIndex[groupUngrouped], kind: sectionHosts}
	a.addSource(r.source)
	for line := range strings.Lines(text) {
		r.number++
		r.line = line
		w := hostlist.Trim(line, 0, len(line))
		if w.Text == "" || w.Text[0] == '#' || w.Text[0] == ';' {
			continue
		}
		r.read(w)
	}
	for _, m := range r.mentions {
		if !m.group.declared {
			a.problems.Addf(m.origin.Pos(), "%s: no group %q%s", m.what, m.group.name, a.hint(m.group.name))
		}
	}
	return a.problems.Err()
}

func newSource(f layer.File) *source {
	return &source{file: f, dir: filepath.Dir(f.Path)}
}

// hint suggests a group of a similar name.
func (a *Inventory) hint(name string) string {
	var known []string
	for _, g := range a.groups {
		if g.declared {
			known = append(known, g.name)
		}
	}
	if near := yamltree.Nearest(name, known); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// read reads a line that is not empty.
func (r *iniReader) read(w hostlist.Word) {
	if m := sectionHeading.FindStringSubmatch(w.Text); m != nil {
		r.heading(w, m[1], m[2])
		return
	}
	inner, rest, closed := strings.Cut(strings.TrimPrefix(w.Text, "["), "]")
	switch {
	case w.Text[0] == '[' && !hostlist.IsIPv6(inner) && (!closed || rest == "" || !strings.Contains(inner, ":") && rest[0] != ':'):
		r.fail(w.Offset, "invalid section heading %s: want [GROUP], [GROUP:vars] or [GROUP:children]", hostlist.Quote(w.Text))
		r.group = nil
	case r.group == nil:
		// The mistake in the heading has been reported.
	case r.kind == sectionHosts:
		r.hosts(w)
	case r.kind == sectionVars:
		r.variable(w)
	default:
		r.child(w)
	}
}

func (r *iniReader) fail(offset int, format string, args ...any) {
	r.problems.Addf(r.origin(offset, "").Pos(), format, args...)
}

func (r *iniReader) origin(offset int, via string) layer.Origin {
	return layer.Origin{File: r.source.file.Path, Line: r.number, Column: hostlist.Column(r.line, offset), Via: via}
}

// heading begins a section.
func (r *iniReader) heading(w hostlist.Word, name, kind string) {
	r.group = nil
	if kind == "" {
		kind = sectionHosts
	}
	if !slices.Contains(sectionKinds, kind) {
		r.fail(w.Offset+len(name)+2, "invalid section [%s:%s]: want [GROUP], [GROUP:vars] or [GROUP:children]", name, kind)
		return
	}
	if err := checkGroup(name); err != nil {
		r.fail(w.Offset+1+err.Offset, "group: %v", err)
		return
	}
	origin := r.origin(w.Offset, "group "+name)
	r.group, r.kind = r.Inventory.group(name, origin), kind
	if kind == sectionVars {
		r.mentions = append(r.mentions, mention{r.group, origin, "[" + name + ":vars]"})
		return
	}
	if !r.group.declared {
		r.group.declared, r.group.origin = true, origin
	}
}

// hosts reads a line with a host, or a range of them, and variables.
func (r *iniReader) hosts(w hostlist.Word) {
	words, err := shellWords(w.Text, true)
	if err != nil {
		r.fail(w.Offset+err.Offset, "%v", err)
		return
	}
	if len(words) == 0 {
		return
	}
	var vars values
	via := "host " + hostlist.Printable(words[0].Text)
	for _, x := range words[1:] {
		name, value, ok := strings.Cut(x.Text, "=")
		if !ok {
			r.fail(w.Offset+x.Offset, "want VARIABLE=VALUE; a value with spaces needs quotes")
			return
		}
		vars.set(name, r.value(value, w.Offset+x.Offset, via))
	}
	if err := r.addHosts(words[0].Text, r.origin(w.Offset, via), r.group, r.source, &vars); err != nil {
		r.fail(w.Offset+err.Offset, "%v", err)
	}
}

// addHosts adds the hosts that text stands for to a group.
func (a *Inventory) addHosts(text string, origin layer.Origin, g *group, source *source, vars *values) *hostlist.SyntaxError {
	if text == "" {
		return hostlist.Errorf(0, "empty name")
	}
	names, portText, err := parseHosts(text)
	if err != nil {
		return err
	}
	if !a.tally.Spend(names.Count) {
		return hostlist.Errorf(0, "the inventory has more than %d hosts", hostlist.MaxNames)
	}
	var port *value
	if portText != "" {
		port = &value{variable: varPort, text: portText, origin: origin, source: source}
	}
	for name := range names.Names() {
		if err := hostlist.CheckName(name, false); err != nil {
			return err
		}
		a.setHost(a.addHost(name, origin, g, port), vars)
	}
	return nil
}

func (r *iniReader) value(text string, offset int, via string) *value {
	v := &value{origin: r.origin(offset, via), source: r.source}
	v.text, v.null = iniValue(text)
	return v
}

// variable reads a line with a variable of the group.
func (r *iniReader) variable(w hostlist.Word) {
	name, value, ok := strings.Cut(w.Text, "=")
	if !ok {
		r.fail(w.Offset, "[%s:vars]: want VARIABLE=VALUE", r.group.name)
		return
	}
	r.group.set(strings.TrimSpace(name), r.value(strings.TrimSpace(value), w.Offset, "group "+r.group.name))
}

// child reads a line with a group in the group.
func (r *iniReader) child(w hostlist.Word) {
	m := sectionChild.FindStringSubmatch(w.Text)
	if m == nil {
		r.fail(w.Offset, "[%s:children]: want the name of a group, got %s", r.group.name, hostlist.Quote(w.Text))
		return
	}
	if err := checkGroup(m[1]); err != nil {
		r.fail(w.Offset+err.Offset, "group: %v", err)
		return
	}
	origin := r.origin(w.Offset, "group "+r.group.name)
	child := r.Inventory.group(m[1], origin)
	r.mentions = append(r.mentions, mention{child, origin, "[" + r.group.name + ":children]"})
	r.addChild(r.group, child, origin)
}
