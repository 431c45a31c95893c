package inventory

import (
	"maps"
	"slices"

	"tutti/internal/hostkeys"
	"tutti/inventory/layer"
)

// apply sets the values in h; if there are labels or variables among them, h must have
// maps of its own.
func apply(s layer.Values, h *Host) {
	for i := range s {
		x := &s[i]
		if x.Unusable != "" {
			h.Unusable = append(slices.Clip(h.Unusable), Unusable{Reason: x.Unusable, Origin: x.Origin})
			continue
		}
		switch x.Key {
		case layer.KeyAddress:
			h.Address = x.Text
		case layer.KeyPort:
			h.Port = x.Number
		case layer.KeyUser:
			h.User = x.Text
		case layer.KeyIdentity:
			h.Identity = x.List
		case layer.KeyConnectTimeout:
			h.ConnectTimeout = x.Duration
		case layer.KeyTimeout:
			h.Timeout = x.Duration
		case layer.KeyRetries:
			h.Retries = x.Number
		case layer.KeyHostKeys:
			h.HostKeys = hostkeys.Mode(x.Number)
		case layer.KeyExitStatus:
			h.NoExitStatus = x.Text == layer.ExitStatusNone
		case layer.KeyJump:
			h.Jump, h.ProxyCommand = x.Text, ""
			switch {
			case x.Command:
				h.Jump, h.ProxyCommand = "", x.Text
			case x.Text == layer.NoJump:
				h.Jump = ""
			}
		default:
			if name, ok := x.Key.Label(); ok {
				put(&h.Labels, name, x.Text)
			} else if name, ok := x.Key.Env(); ok {
				put(&h.Env, name, x.Text)
			}
		}
	}
}

// put sets an entry of a map that may be nil.
func put(m *map[string]string, name, text string) {
	if *m == nil {
		*m = make(map[string]string)
	}
	(*m)[name] = text
}

// applyOwn is apply for a host that may share its maps.
func applyOwn(s layer.Values, h *Host) {
	for i := range s {
		if _, ok := s[i].Key.Label(); ok {
			h.Labels = maps.Clone(h.Labels)
			break
		}
	}
	for i := range s {
		if _, ok := s[i].Key.Env(); ok {
			h.Env = maps.Clone(h.Env)
			break
		}
	}
	apply(s, h)
}
