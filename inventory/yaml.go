package inventory

import (
	"fmt"
	"path/filepath"
	"strings"

	"tutti/internal/fault"
	"tutti/internal/hostkeys"
	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
	"tutti/inventory/layer"
)

// The keys of each place in a file, in the order in which an error lists them.
var (
	topKeys      = []string{"defaults", "hosts", "groups"}
	defaultsKeys = []string{"user", "port", "identity", string(layer.KeyJump), "connect_timeout", "timeout", "retries", "host_keys", string(layer.KeyExitStatus), "env", "labels"}
	hostKeys     = append([]string{"address"}, defaultsKeys...)
	groupKeys    = append([]string{"hosts", "groups", "parallel"}, defaultsKeys...)
)

// A yamlReader interprets the nodes of one file.
type yamlReader struct {
	file     layer.File
	layer    *layer.Layer
	builder  *builder
	problems yamltree.Problems
}

// parseYAML reads an inventory in YAML.
func parseYAML(f layer.File, root yamltree.Node, b *builder) (*layer.Layer, error) {
	if err := notOurs(root); err != nil {
		return nil, err
	}
	if err := root.Strict(); err != nil {
		return nil, err
	}
	if err := checkAnsible(root); err != nil {
		return nil, err
	}
	r := &yamlReader{file: f, layer: layer.New(), builder: b}
	r.problems.Fields(root, "inventory", topKeys, func(key, value yamltree.Node) {
		switch key.Text() {
		case "defaults":
			r.layer.Defaults = r.settings(value, "defaults", defaultsKeys, nil)
		case "hosts":
			r.hosts(value)
		case "groups":
			r.groups(value)
		}
	})
	return r.layer, r.problems.Err()
}

// notOurs is the error about a document without any of tutti's keys. It may have been
// named by mistake, so nothing of it is quoted.
func notOurs(root yamltree.Node) error {
	empty := true
	for key := range root.Fields() {
		if key.Text() == "jobs" {
			return fault.Advise(yamltree.Errorf(key.Pos(), "this is a jobs file, not an inventory"), AdviceJobsFile)
		}
		empty = false
	}
	if root.Kind() != yamltree.Map || empty || root.Own(topKeys...) {
		return nil
	}
	return yamltree.Errorf(root.Pos(), "this is not an inventory: want one of the keys %s at the beginning of a line; "+
		`put hosts and their settings under "hosts:", groups under "groups:"`, yamltree.Word(strings.Join(topKeys, ", ")))
}

// checkAnsible recognises groups at the top, as in Ansible's YAML, among tutti's keys.
func checkAnsible(root yamltree.Node) error {
	for key, value := range root.Fields() {
		switch key.Text() {
		case "defaults", "hosts", "groups":
			continue
		}
		for _, word := range []string{"hosts", "children", "vars"} {
			if _, ok := value.Field(word); ok {
				return &yamltree.Error{Pos: key.Pos(), Msg: fmt.Sprintf("%q is a group at the top of the file, as in Ansible's YAML; "+
					`with "defaults:", "hosts:" and "groups:", put it under "groups:"`, key.Text())}
			}
		}
	}
	return nil
}

// hosts reads the hosts of the file: a mapping from names to settings, or a
// list of names.
func (r *yamlReader) hosts(n yamltree.Node) {
	switch n.Kind() {
	case yamltree.Null:
	case yamltree.List:
		for item := range n.Items() {
			r.host(item, yamltree.Node{})
		}
	case yamltree.Map:
		for key, value := range n.Fields() {
			r.host(key, value)
		}
	default:
		r.problems.Addf(n.Pos(), "hosts: want a mapping from names to settings, got %s", n.Kind())
	}
}

// host reads one entry, which may be a range of hosts. A single value is the
// address.
func (r *yamlReader) host(key, value yamltree.Node) {
	p, ok := r.pattern(key)
	if !ok {
		return
	}
	what := "host " + hostlist.Printable(key.Text())
	var address yamltree.Node
	if value.Kind() == yamltree.Scalar {
		value, address = yamltree.Node{}, value
	}
	own := r.settings(value, what, hostKeys, func(k, v yamltree.Node) {
		if k.Text() == "address" {
			address = v
		}
	})
	addresses, ok := r.addresses(address, p, what)
	if !ok {
		return
	}
	origin := r.origin(key, what)
	i := 0
	for name := range p.Names() {
		mine := own
		switch {
		case addresses == nil:
		case p.Count == 1:
			mine = append(own, addresses[0])
		default:
			mine = append(own[:len(own):len(own)], addresses[i])
		}
		i++
		if !r.addHost(key, name, origin, mine) {
			return
		}
	}
}

// addHost adds one host to the layer, and reports whether the next one of its
// range is worth trying.
func (r *yamlReader) addHost(at yamltree.Node, name string, origin layer.Origin, own layer.Values) bool {
	if err := hostlist.CheckName(name, false); err != nil {
		r.problems.Addf(at.Pos(), "%v", err)
		return false
	}
	if err := r.layer.AddHost(name, origin, own); err != nil {
		r.problems.Addf(at.Pos(), "%v", err)
		return false
	}
	return true
}

// pattern reads a node as the name of one host or a range of them.
func (r *yamlReader) pattern(n yamltree.Node) (hostlist.Pattern, bool) {
	if n.Kind() == yamltree.Map || n.Kind() == yamltree.List {
		r.problems.Addf(n.Pos(), "want a host's name, got %s; a name with brackets needs quotes", n.Kind())
		return hostlist.Pattern{}, false
	}
	p, err := hostlist.Parse(n.Text())
	if err == nil && n.Text() == "" {
		err = hostlist.Errorf(0, "empty name")
	}
	if err == nil && !r.builder.Spend(p.Count) {
		err = hostlist.Errorf(0, "the inventory has more than %d hosts", hostlist.MaxNames)
	}
	if err != nil {
		r.problems.Addf(n.Pos(), "host %s: %s", hostlist.Quote(n.Text()), err)
		return hostlist.Pattern{}, false
	}
	return p, true
}

// addresses reads the address of a host, or those of a range, one for each
// name. There are none if the key is missing.
func (r *yamlReader) addresses(n yamltree.Node, names hostlist.Pattern, what string) ([]layer.Value, bool) {
	if n == (yamltree.Node{}) {
		return nil, true
	}
	if !r.scalar(n, what, "address") {
		return nil, false
	}
	p, err := hostlist.Parse(n.Text())
	if err != nil {
		r.problems.Addf(n.Pos(), "%s: address: %s", what, err)
		return nil, false
	}
	if p.Count != names.Count {
		r.problems.Addf(n.Pos(), "%s: %d address%s for %d host%s; a range of addresses needs as many as there are names",
			what, p.Count, plural(p.Count, "es"), names.Count, plural(names.Count, "s"))
		return nil, false
	}
	var list []layer.Value
	for text := range p.Names() {
		s, err := layer.ParseValue(layer.KeyAddress, text)
		if err != nil {
			r.problems.Addf(n.Pos(), "%s: address: %v", what, err)
			return nil, false
		}
		s.Origin = r.origin(n, what)
		list = append(list, s)
	}
	return list, true
}

func plural(n int, ending string) string {
	if n == 1 {
		return ""
	}
	return ending
}

// groups reads the groups of the file.
func (r *yamlReader) groups(n yamltree.Node) {
	if n.Kind() != yamltree.Map && n.Kind() != yamltree.Null {
		r.problems.Addf(n.Pos(), "groups: want a mapping from names to groups, got %s", n.Kind())
		return
	}
	for key, value := range n.Fields() {
		if err := hostlist.CheckName(key.Text(), false); err != nil {
			r.problems.Addf(key.Pos(), "group: %v", err)
			continue
		}
		r.group(key, value)
	}
}

// group reads one group. A list, or a single value, is its hosts.
func (r *yamlReader) group(key, value yamltree.Node) {
	what := "group " + key.Text()
	g := &layer.Group{Name: key.Text(), Origin: r.origin(key, what)}
	r.layer.Groups = append(r.layer.Groups, g)
	if kind := value.Kind(); kind == yamltree.List || kind == yamltree.Scalar {
		r.members(value, what, func(item yamltree.Node) { r.groupHost(g, item, what) })
		return
	}
	g.Own = r.settings(value, what, groupKeys, func(k, v yamltree.Node) {
		switch k.Text() {
		case "hosts":
			r.members(v, what+": hosts", func(item yamltree.Node) { r.groupHost(g, item, what) })
		case "groups":
			r.members(v, what+": groups", func(item yamltree.Node) {
				g.Children = append(g.Children, layer.Reference{Name: item.Text(), Origin: r.origin(item, what)})
			})
		case "parallel":
			if !r.scalar(v, what, "parallel") {
				return
			}
			parallel, err := layer.ParseNumber(v.Text(), 1, hostlist.MaxNames)
			if err != nil {
				r.problems.Addf(v.Pos(), "%s: parallel: %v", what, err)
			}
			g.Parallel = parallel
		}
	})
}

// groupHost adds a host, or a range of them, to a group.
func (r *yamlReader) groupHost(g *layer.Group, item yamltree.Node, what string) {
	p, ok := r.pattern(item)
	if !ok {
		return
	}
	origin := r.origin(item, what)
	for name := range p.Names() {
		if !r.addHost(item, name, origin, nil) {
			return
		}
		g.Hosts = append(g.Hosts, name)
	}
}

// members goes over a list of names, or over a single one.
func (r *yamlReader) members(n yamltree.Node, what string, member func(yamltree.Node)) {
	switch n.Kind() {
	case yamltree.Null:
	case yamltree.Scalar:
		member(n)
	case yamltree.List:
		for item := range n.Items() {
			if item.Kind() == yamltree.Map || item.Kind() == yamltree.List {
				r.problems.Addf(item.Pos(), "%s: want a name, got %s; a name with brackets needs quotes", what, item.Kind())
				continue
			}
			member(item)
		}
	default:
		r.problems.Addf(n.Pos(), "%s: want a list of names, got %s", what, n.Kind())
	}
}

// settings reads the settings among the fields of n, and hands the other known
// keys to rest.
func (r *yamlReader) settings(n yamltree.Node, what string, known []string, rest func(key, value yamltree.Node)) layer.Values {
	if n.Kind() == yamltree.Null {
		return nil
	}
	// Most hosts have a handful, and there may be very many hosts.
	own := make(layer.Values, 0, 5)
	r.problems.Fields(n, what, known, func(key, value yamltree.Node) {
		switch k := layer.Key(key.Text()); k {
		case "labels":
			own = append(own, r.names(value, what, labelList)...)
		case "env":
			own = append(own, r.names(value, what, envList)...)
		case layer.KeyIdentity:
			own = append(own, r.identity(value, what)...)
		case layer.KeyPort, layer.KeyUser, layer.KeyJump, layer.KeyConnectTimeout, layer.KeyTimeout, layer.KeyRetries, layer.KeyHostKeys, layer.KeyExitStatus:
			own = append(own, r.value(k, value, what)...)
		default:
			rest(key, value)
		}
	})
	return own
}

// value reads a setting with a single value; none if it is wrong or does not
// count.
func (r *yamlReader) value(key layer.Key, n yamltree.Node, what string) layer.Values {
	if !r.scalar(n, what, string(key)) {
		return nil
	}
	s, err := layer.ParseValue(key, n.Text())
	if err != nil {
		r.problems.Addf(n.Pos(), "%s: %s: %v", what, key, err)
		return nil
	}
	if key == layer.KeyHostKeys && hostkeys.Mode(s.Number) == hostkeys.Off && r.file.Trust != layer.Named {
		r.builder.Warnf("%s: %s: host_keys: off is ignored: the file was found, not named", n.Pos(), what)
		return nil
	}
	s.Origin = r.origin(n, what)
	return layer.Values{s}
}

// scalar reports whether n is a single value, and adds an error if not.
func (r *yamlReader) scalar(n yamltree.Node, what, key string) bool {
	if n.Kind() != yamltree.Scalar {
		r.problems.Addf(n.Pos(), "%s: %s: want a single value, got %s", what, key, n.Kind())
		return false
	}
	return true
}

func (r *yamlReader) identity(n yamltree.Node, what string) layer.Values {
	s := layer.Value{Key: layer.KeyIdentity, Origin: r.origin(n, what)}
	if n.Kind() == yamltree.Null {
		r.problems.Addf(n.Pos(), "%s: identity: empty path", what)
		return nil
	}
	r.members(n, what+": identity", func(item yamltree.Node) {
		path, err := layer.IdentityPath(item.Text(), filepath.Dir(r.file.Path))
		if err != nil {
			r.problems.Addf(item.Pos(), "%s: identity: %v", what, err)
		}
		s.List = append(s.List, path)
	})
	s.Text = strings.Join(s.List, ", ")
	return layer.Values{s}
}

func (r *yamlReader) origin(n yamltree.Node, via string) layer.Origin {
	at := n.Pos()
	return layer.Origin{File: at.File, Line: at.Line, Column: at.Column, Via: via}
}
