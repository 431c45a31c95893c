package inventory

import (
	"maps"
	"slices"

	"tutti/internal/hostkeys"
	"tutti/inventory/layer"
)

// apply sets the values in h; if there are labels among them, h must have a label map
// of its own.
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
				if h.Labels == nil {
					h.Labels = make(map[string]string)
				}
				h.Labels[name] = x.Text
			}
		}
	}
}

// hasLabels reports whether there is a label among s.
func hasLabels(s layer.Values) bool {
	for i := range s {
		if _, ok := s[i].Key.Label(); ok {
			return true
		}
	}
	return false
}

// applyOwn is apply for a host that may share its label map.
func applyOwn(s layer.Values, h *Host) {
	if hasLabels(s) {
		h.Labels = maps.Clone(h.Labels)
	}
	apply(s, h)
}
