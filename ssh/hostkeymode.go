package ssh

import (
	"fmt"
	"slices"
	"strings"
)

// A HostKeyMode says what happens with a host whose key is not known.
type HostKeyMode int

const (
	// Strict refuses a host whose key is not in known_hosts.
	Strict HostKeyMode = iota
	// AcceptNew adds the key of a host that known_hosts does not hold, and
	// refuses one that presents another key than the one it holds.
	AcceptNew
	// Off accepts any key but a revoked one, and so any impostor.
	Off
)

var hostKeyModes = []string{"strict", "accept-new", "off"}

// hostKeyWords are other words for the modes, as ssh_config and people write
// them.
var hostKeyWords = map[string]string{
	"yes": "strict", "ask": "strict", "strict": "strict", "on": "strict", "true": "strict",
	"accept": "accept-new", "accept-new": "accept-new", "new": "accept-new", "acceptnew": "accept-new", "tofu": "accept-new",
	"no": "off", "off": "off", "false": "off", "none": "off",
}

// ParseHostKeyMode reads "strict", "accept-new" or "off".
func ParseHostKeyMode(s string) (HostKeyMode, error) {
	if i := slices.Index(hostKeyModes, s); i >= 0 {
		return HostKeyMode(i), nil
	}
	hint := ""
	if name, ok := hostKeyWords[strings.ReplaceAll(strings.ToLower(s), "_", "-")]; ok {
		hint = fmt.Sprintf("; did you mean %q?", name)
	}
	return Strict, fmt.Errorf("unknown host key mode %q: want one of %s%s", s, strings.Join(hostKeyModes, ", "), hint)
}

// String is the name that ParseHostKeyMode reads.
func (m HostKeyMode) String() string {
	if m < 0 || int(m) >= len(hostKeyModes) {
		return fmt.Sprintf("hostkeys(%d)", int(m))
	}
	return hostKeyModes[m]
}
