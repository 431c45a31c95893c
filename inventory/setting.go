package inventory

import (
	"maps"
	"slices"
	"time"
)

// A setting is one value that a file gives to a host, a group or its defaults.
type setting struct {
	key Key
	// text is the value in one spelling, so that equal values have equal texts.
	text   string
	origin Origin
	// refusal is why the host cannot be used with this value; mostly empty.
	refusal string
	// command says that a jump is a proxy command.
	command bool

	number   int           // port, retries, host_keys
	duration time.Duration // timeouts
	list     []string      // identity
}

// settings hold each key at most once.
type settings []setting

func (s settings) find(key Key) *setting {
	for i := range s {
		if s[i].key == key {
			return &s[i]
		}
	}
	return nil
}

// over returns s with those of base that s does not have. It changes neither.
func (s settings) over(base settings) settings {
	if len(s) == 0 {
		return base
	}
	all := s[:len(s):len(s)]
	for _, b := range base {
		if s.find(b.key) == nil {
			all = append(all, b)
		}
	}
	return all
}

// apply puts the values into h, which must not share its labels if there are
// labels among them.
func (s settings) apply(h *Host) {
	for i := range s {
		x := &s[i]
		if x.refusal != "" {
			h.Refusals = append(slices.Clip(h.Refusals), Refusal{Reason: x.refusal, Origin: x.origin})
			continue
		}
		switch x.key {
		case KeyAddress:
			h.Address = x.text
		case KeyPort:
			h.Port = x.number
		case KeyUser:
			h.User = x.text
		case KeyIdentity:
			h.Identity = x.list
		case KeyConnectTimeout:
			h.ConnectTimeout = x.duration
		case KeyTimeout:
			h.Timeout = x.duration
		case KeyRetries:
			h.Retries = x.number
		case KeyHostKeys:
			h.HostKeys = HostKeys(x.number)
		case KeyExitStatus:
			h.NoExitStatus = x.text == exitStatusNone
		case KeyJump:
			h.Jump, h.ProxyCommand = x.text, ""
			switch {
			case x.command:
				h.Jump, h.ProxyCommand = "", x.text
			case x.text == jumpNone:
				h.Jump = ""
			}
		default:
			if name, ok := x.key.label(); ok {
				if h.Labels == nil {
					h.Labels = make(map[string]string)
				}
				h.Labels[name] = x.text
			}
		}
	}
}

// hasLabels reports whether there is a label among s.
func (s settings) hasLabels() bool {
	for i := range s {
		if _, ok := s[i].key.label(); ok {
			return true
		}
	}
	return false
}

// applyOwn is apply for a host that shares its labels so far.
func (s settings) applyOwn(h *Host) {
	if s.hasLabels() {
		h.Labels = maps.Clone(h.Labels)
	}
	s.apply(h)
}
