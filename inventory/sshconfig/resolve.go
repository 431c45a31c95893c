package sshconfig

import (
	"strconv"
	"strings"
)

// defaultPort is the port if none is set.
const defaultPort = 22

// A match is the values that apply to a host: the first of each keyword, of some all.
type match struct {
	first        [numKeywords]*directive
	identities   []*directive
	certificates []*directive
	sendEnv      []*directive
}

// A walker goes through the files for one host.
type walker struct {
	config *Config
	query  *Query
	host   string // as Host lines see it
	final  bool   // this is the second time
	match
}

// Resolve returns the settings of a host. It fails if a token or a variable in a value
// that applies to the host has no meaning.
func (c *Config) Resolve(q Query) (*Settings, error) {
	w := &walker{config: c, query: &q, host: q.Name}
	w.files()
	if c.final {
		w.host, w.final = strings.ToLower(w.hostName()), true
		w.files()
	}
	x := &expander{walk: w}
	s := x.settings()
	if x.err != nil {
		return nil, x.err
	}
	return s, nil
}

func (w *walker) files() {
	for _, f := range w.config.files {
		w.file(f)
	}
}

// file goes through the blocks of a file.
func (w *walker) file(f *configFile) {
	for i := range f.blocks {
		b := &f.blocks[i]
		if b.when != nil && !b.when.holds(w) {
			continue
		}
		for _, item := range b.items {
			if item.value != nil {
				w.take(item.value)
			}
			for _, included := range item.included {
				w.file(included)
			}
		}
	}
}

// take records a value, unless there is an earlier one.
func (w *walker) take(d *directive) {
	switch d.key {
	case kwHostName:
		if w.final {
			return // the first time has settled it
		}
	case kwIdentityFile:
		w.identities = appendNew(w.identities, d)
	case kwCertificateFile:
		w.certificates = appendNew(w.certificates, d)
	case kwSendEnv:
		w.sendEnv = append(w.sendEnv, d)
	case kwProxyJump:
		// Whichever of the two comes first keeps the other out, but for a jump
		// through nothing.
		if w.first[kwProxyCommand] != nil {
			return
		}
	case kwProxyCommand:
		if jump := w.first[kwProxyJump]; jump != nil && jump.text != "none" {
			return
		}
	}
	if w.first[d.key] == nil && d.number != unset {
		w.first[d.key] = d
	}
}

// appendNew adds a path that is not there yet.
func appendNew(list []*directive, d *directive) []*directive {
	for _, x := range list {
		if x.text == d.text {
			return list
		}
	}
	return append(list, d)
}

// hostName is where to connect to, by the lines read so far.
func (w *walker) hostName() string {
	if w.query.Address != "" {
		return w.query.Address
	}
	d := w.first[kwHostName]
	if d == nil {
		return w.query.Name
	}
	if !strings.Contains(d.text, "%") {
		return d.text
	}
	name, err := ExpandTokens(d.text, func(token byte) (string, bool) { return w.query.Name, token == 'h' })
	if err != nil {
		return d.text // the mistake is reported when the values are put together
	}
	return name
}

// user is who logs in, by the lines read so far.
func (w *walker) user() string {
	if w.query.User != "" {
		return w.query.User
	}
	if d := w.first[kwUser]; d != nil {
		return d.text
	}
	return w.config.opts.User
}

func (w *walker) port() string {
	if w.query.Port != 0 {
		return strconv.Itoa(w.query.Port)
	}
	if d := w.first[kwPort]; d != nil {
		return d.text
	}
	return strconv.Itoa(defaultPort)
}
