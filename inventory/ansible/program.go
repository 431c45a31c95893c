package ansible

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"tutti/internal/filekind"
	"tutti/internal/hostlist"
	"tutti/inventory/layer"
)

// metaKey is a key next to the groups in a program's output, and hostVarsKey one inside
// it: the variables of all hosts.
const (
	metaKey     = "_meta"
	hostVarsKey = "hostvars"
)

// A Program is an inventory that is run.
type Program interface {
	// Run runs the program and returns what it prints.
	Run(ctx context.Context, args ...string) ([]byte, error)
	// Failed is the error of a program that ran and printed no inventory.
	Failed(args []string, err error) error
	// TimedOut reports whether an error of Run says that the time was up.
	TimedOut(err error) bool
}

// ReadProgram reads the inventory that the program in a file prints.
func (a *Inventory) ReadProgram(ctx context.Context, f layer.File, p Program) error {
	out, err := p.Run(ctx, "--list")
	if err != nil {
		return err
	}
	r := &programReader{Inventory: a, program: p, source: newSource(f)}
	a.addSource(r.source)
	return r.read(ctx, out)
}

// A programReader interprets the output of a program.
type programReader struct {
	*Inventory
	program Program
	source  *source
	// hosts are those that the program named.
	hosts []*host
	// leftOut are the invalid names, each after what it names.
	leftOut []string
}

// A field is a key of a JSON object with its value.
type field struct {
	name  string
	value json.RawMessage
}

// read reads the groups, and then the variables of each host.
func (r *programReader) read(ctx context.Context, out []byte) error {
	groups, err := r.object([]string{"--list"}, out)
	if err != nil {
		return err
	}
	var hostVars json.RawMessage
	for _, g := range groups {
		if g.name != metaKey {
			r.group(g)
			continue
		}
		meta, ok := r.fields(g.value, metaKey)
		for _, f := range meta {
			if ok && f.name == hostVarsKey {
				hostVars = f.value
			}
		}
	}
	if err := r.problems.Err(); err != nil {
		return err
	}
	if hostVars == nil {
		err = r.askForHosts(ctx)
	} else {
		r.hostVars(hostVars)
	}
	return errors.Join(err, r.problems.Err())
}

// object splits what the program printed, which must be one JSON object.
func (r *programReader) object(args []string, out []byte) ([]field, error) {
	if len(bytes.TrimSpace(out)) == 0 {
		return nil, r.program.Failed(args, errors.New("it printed nothing, not even {}"))
	}
	var whole json.RawMessage
	if err := json.Unmarshal(out, &whole); err != nil {
		return nil, r.program.Failed(args, notJSON(out, err))
	}
	if kind := jsonKind(whole); kind != "an object" {
		return nil, r.program.Failed(args, fmt.Errorf("it printed %s, want a JSON object", kind))
	}
	fields, err := splitObject(whole)
	if err != nil {
		return nil, r.program.Failed(args, err)
	}
	return fields, nil
}

// notJSON says where the output stops being JSON.
func notJSON(out []byte, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return fmt.Errorf("it printed no JSON: %w", err)
	}
	at := max(0, min(int(syntax.Offset)-1, len(out)-1))
	before := out[:at]
	line := bytes.Count(before, []byte("\n")) + 1
	col := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	if kind := filekind.Check(out); kind != nil {
		return fmt.Errorf("it printed no JSON: %w", kind)
	}
	return fmt.Errorf("it printed no JSON: byte %d (line %d, column %d): %w", syntax.Offset, line, col, err)
}

// splitObject returns the fields of a valid JSON object in their order.
func splitObject(data json.RawMessage) ([]field, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var list []field
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		f := field{name: key.(string)}
		if err := dec.Decode(&f.value); err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// jsonKind is how an error names what a valid JSON text is.
func jsonKind(data json.RawMessage) string {
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0 || data[0] == 'n':
		return "nothing"
	case data[0] == '{':
		return "an object"
	case data[0] == '[':
		return "a list"
	case data[0] == '"':
		return "a string"
	case data[0] == 't' || data[0] == 'f':
		return "true or false"
	}
	return "a number"
}

func (r *programReader) origin(via string) layer.Origin {
	return layer.Origin{File: r.source.file.Path, Via: via}
}

func (r *programReader) fail(format string, args ...any) {
	r.problems.Addf(r.origin("").Pos(), format, args...)
}

// fields splits an object that may be missing; what says what it is.
func (r *programReader) fields(data json.RawMessage, what string) ([]field, bool) {
	switch kind := jsonKind(data); kind {
	case "nothing":
		return nil, true
	case "an object":
	default:
		r.fail("%s: want an object, got %s", what, kind)
		return nil, false
	}
	list, err := splitObject(data)
	if err != nil {
		r.fail("%s: %v", what, err)
	}
	return list, err == nil
}

// group reads a group: an object with hosts, vars and children, or a list of
// hosts. An object without any of these is the variables of a host that has the
// group's name.
func (r *programReader) group(f field) {
	odd, err := r.checkGroup(f.name)
	if err != nil {
		r.fail("group: %s", err)
		return
	}
	what := "group " + f.name
	g := r.Inventory.group(f.name, r.origin(what))
	g.hidden = odd
	g.declared = true
	if jsonKind(f.value) == "a list" {
		r.addNames(f.value, what, func(name string) { r.host(name, g) })
		return
	}
	list, ok := r.fields(f.value, what)
	if !ok {
		return
	}
	known := false
	for _, x := range list {
		switch x.name {
		case "hosts":
			r.addNames(x.value, what+": hosts", func(name string) { r.host(name, g) })
		case "children":
			r.addNames(x.value, what+": children", func(name string) { r.child(name, g) })
		case "vars":
			vars, _ := r.fields(x.value, what+": vars")
			for _, v := range vars {
				g.set(v.name, r.value(v.value, what))
			}
		default:
			continue
		}
		known = true
	}
	if !known && len(list) > 0 {
		if h := r.host(f.name, g); h != nil {
			r.setHost(h, r.vars(list, "host "+f.name))
		}
	}
}

// addNames goes over a list of names.
func (r *programReader) addNames(data json.RawMessage, what string, add func(name string)) {
	var list []json.RawMessage
	if kind := jsonKind(data); kind == "nothing" {
		return
	} else if kind != "a list" {
		r.fail("%s: want a list of names, got %s", what, kind)
		return
	}
	if err := json.Unmarshal(data, &list); err != nil {
		r.fail("%s: %v", what, err)
		return
	}
	for _, x := range list {
		var name string
		if err := json.Unmarshal(x, &name); err != nil || jsonKind(x) != "a string" {
			r.fail("%s: want a name, got %s", what, jsonKind(x))
			return
		}
		add(name)
	}
}

// host adds a host to a group; nil if it cannot have that name.
func (r *programReader) host(name string, g *group) *host {
	err := hostlist.CheckName(name, false)
	if err != nil && merelyOdd(name) {
		r.leaveOut("host", name, err)
		return nil
	}
	if err == nil && !r.tally.Spend(1) {
		err = hostlist.Errorf(0, "the inventory has more than %d hosts", hostlist.MaxNames)
	}
	if err != nil {
		r.fail("group %s: hosts: %s", g.name, err)
		return nil
	}
	h := r.addHost(name, r.origin("host "+name), g, nil)
	r.hosts = append(r.hosts, h)
	return h
}

func (r *programReader) child(name string, g *group) {
	odd, err := r.checkGroup(name)
	if err != nil {
		r.fail("group %s: children: %s", g.name, err)
		return
	}
	origin := r.origin("group " + g.name)
	child := r.Inventory.group(name, origin)
	child.hidden = odd
	child.declared = true
	r.addChild(g, child, origin)
}

// hostVars takes the variables of the hosts that were named, and of no others.
func (r *programReader) hostVars(data json.RawMessage) {
	list, _ := r.fields(data, metaKey+": "+hostVarsKey)
	named := make(map[string]bool, len(r.hosts))
	for _, h := range r.hosts {
		named[h.name] = true
	}
	for _, f := range list {
		if !named[f.name] {
			continue
		}
		vars, _ := r.fields(f.value, "host "+f.name)
		r.setHost(r.hostIndex[f.name], r.vars(vars, "host "+f.name))
	}
}

// askForHosts runs the program once for each host, for programs that print no _meta.
func (r *programReader) askForHosts(ctx context.Context) error {
	asked := make(map[*host]bool, len(r.hosts))
	for _, h := range r.hosts {
		if asked[h] {
			continue
		}
		args := []string{"--host", h.name}
		out, err := r.program.Run(ctx, args...)
		if r.program.TimedOut(err) {
			return fmt.Errorf("%w (after %d hosts, one call each; with _meta in the output of --list one call is enough)", err, len(asked))
		}
		if err != nil {
			return err
		}
		asked[h] = true
		if len(bytes.TrimSpace(out)) == 0 {
			continue
		}
		vars, err := r.object(args, out)
		if err != nil {
			return err
		}
		r.setHost(h, r.vars(vars, "host "+h.name))
	}
	return nil
}

// vars are the fields that tutti uses.
func (r *programReader) vars(list []field, via string) *values {
	vars := &values{}
	for _, f := range list {
		if _, ok := variableNamed(f.name); ok {
			vars.set(f.name, r.value(f.value, via))
		}
	}
	return vars
}

// value is a value in JSON.
func (r *programReader) value(data json.RawMessage, via string) *value {
	v := &value{text: string(bytes.TrimSpace(data)), origin: r.origin(via), source: r.source}
	switch kind := jsonKind(data); kind {
	case "nothing":
		v.null, v.text = true, ""
	case "a string":
		if err := json.Unmarshal(data, &v.text); err != nil {
			v.problem = fmt.Sprintf("cannot be read: %v", err)
		}
	case "an object":
		v.text, v.problem = specialValue(data)
	case "a list":
		v.text, v.problem = "", "is a list, not a single value"
	}
	return v
}

// specialValue is the value of an object in Ansible's JSON: encrypted, or a text that
// is no template.
func specialValue(data json.RawMessage) (text, problem string) {
	var x struct {
		Vault  *string `json:"__ansible_vault"`
		Unsafe *string `json:"__ansible_unsafe"`
	}
	err := json.Unmarshal(data, &x)
	switch {
	case err == nil && x.Vault != nil:
		return "", vaultProblem
	case err == nil && x.Unsafe != nil:
		return *x.Unsafe, ""
	}
	return "", "is an object, not a single value"
}
