package inventory

import (
	"strconv"
	"strings"
)

// sshDefaultPort is where nothing says another.
const sshDefaultPort = 22

// sshFound are the values that count for a host: of each keyword the first, of
// some all.
type sshFound struct {
	first        [sshKeys]*sshDirective
	identities   []*sshDirective
	certificates []*sshDirective
	sendEnv      []*sshDirective
}

// An sshWalk goes through the files for one host.
type sshWalk struct {
	config *SSHConfig
	query  *SSHQuery
	host   string // as Host lines see it
	final  bool   // this is the second time
	sshFound
}

// Resolve returns what ssh_config says of a host. It fails if a token or a
// variable in a value that counts for the host has no meaning.
func (c *SSHConfig) Resolve(q SSHQuery) (*SSHSettings, error) {
	w := &sshWalk{config: c, query: &q, host: q.Name}
	w.files()
	if c.final {
		w.host, w.final = strings.ToLower(w.hostName()), true
		w.files()
	}
	x := &sshExpander{walk: w}
	s := x.settings()
	if x.err != nil {
		return nil, x.err
	}
	return s, nil
}

func (w *sshWalk) files() {
	for _, f := range w.config.files {
		w.file(f)
	}
}

// file goes through the blocks of a file.
func (w *sshWalk) file(f *sshFile) {
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

// take notes a value, unless an earlier one stands.
func (w *sshWalk) take(d *sshDirective) {
	switch d.key {
	case sshHostName:
		if w.final {
			return // the first time has settled it
		}
	case sshIdentityFile:
		w.identities = appendSSH(w.identities, d)
	case sshCertificateFile:
		w.certificates = appendSSH(w.certificates, d)
	case sshSendEnv:
		w.sendEnv = append(w.sendEnv, d)
	case sshProxyJump:
		// Whichever of the two comes first keeps the other out, but for a jump
		// through nothing.
		if w.first[sshProxyCommand] != nil {
			return
		}
	case sshProxyCommand:
		if jump := w.first[sshProxyJump]; jump != nil && jump.text != "none" {
			return
		}
	}
	if w.first[d.key] == nil && d.number != sshUnset {
		w.first[d.key] = d
	}
}

// appendSSH adds a path that is not there yet.
func appendSSH(list []*sshDirective, d *sshDirective) []*sshDirective {
	for _, x := range list {
		if x.text == d.text {
			return list
		}
	}
	return append(list, d)
}

// hostName is where to connect to, as far as is known by now.
func (w *sshWalk) hostName() string {
	if w.query.Address != "" {
		return w.query.Address
	}
	d := w.first[sshHostName]
	if d == nil {
		return w.query.Name
	}
	if !strings.Contains(d.text, "%") {
		return d.text
	}
	name, err := expandTokens(d.text, func(token byte) (string, bool) { return w.query.Name, token == 'h' })
	if err != nil {
		return d.text // it is told when the values are put together
	}
	return name
}

// user is who logs in, as far as is known by now.
func (w *sshWalk) user() string {
	if w.query.User != "" {
		return w.query.User
	}
	if d := w.first[sshUser]; d != nil {
		return d.text
	}
	return w.config.opts.User
}

func (w *sshWalk) port() string {
	if w.query.Port != 0 {
		return strconv.Itoa(w.query.Port)
	}
	if d := w.first[sshPort]; d != nil {
		return d.text
	}
	return strconv.Itoa(sshDefaultPort)
}
