// Package hostkeys has the words for what happens with a host whose key is not known, as
// inventories, ssh_config, requests and connections have them.
package hostkeys

import (
	"fmt"
	"slices"
	"strings"
)

// A Mode says what happens with a host whose key is not known.
type Mode int

const (
	// Strict refuses a host whose key is not in known_hosts. It is the zero value.
	Strict Mode = iota
	// AcceptNew adds the key of a host that known_hosts does not hold, and
	// refuses one that presents another key than the one it holds.
	AcceptNew
	// Off accepts any key but a revoked one, and so any impostor.
	Off
)

var modes = []string{"strict", "accept-new", "off"}

// modeWords are other words for the modes, as ssh_config and people write
// them.
var modeWords = map[string]string{
	"yes": "strict", "ask": "strict", "strict": "strict", "on": "strict", "true": "strict",
	"accept": "accept-new", "accept-new": "accept-new", "new": "accept-new", "acceptnew": "accept-new", "tofu": "accept-new",
	"no": "off", "off": "off", "false": "off", "none": "off",
}

// Parse reads "strict", "accept-new" or "off".
func Parse(s string) (Mode, error) {
	if i := slices.Index(modes, s); i >= 0 {
		return Mode(i), nil
	}
	hint := ""
	if name, ok := modeWords[strings.ReplaceAll(strings.ToLower(s), "_", "-")]; ok {
		hint = fmt.Sprintf("; did you mean %q?", name)
	}
	return Strict, fmt.Errorf("%q: want one of %s%s", s, strings.Join(modes, ", "), hint)
}

// String is the name that Parse reads.
func (m Mode) String() string {
	if m < 0 || int(m) >= len(modes) {
		return fmt.Sprintf("hostkeys(%d)", int(m))
	}
	return modes[m]
}
