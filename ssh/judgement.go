package ssh

import (
	"slices"
)

// A verdict is what known_hosts says of a key.
type verdict int

const (
	hostUnknown verdict = iota
	hostKnown
	hostChanged
	hostRevoked
)

type judgement struct {
	verdict verdict
	others  []*knownKey // the keys that are known instead
}

// kinds returns the types of the known keys that can be asked for.
func (j judgement) kinds() []string {
	var kinds []string
	for _, k := range j.others {
		askable := slices.ContainsFunc(preferred, func(a string) bool { return keyKind(a) == k.kind })
		if askable && !slices.Contains(kinds, k.kind) {
			kinds = append(kinds, k.kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// judge looks blob up under n. The first name with readable lines decides, for
// or against; hashed lines that hold blob decide for; only then are all hashed
// lines searched for other keys of the host. A line without a port counts for
// a host on another port if it holds this very key.
func (k *knownHosts) judge(n hostNames, blob string) judgement {
	if k.isRevoked(n.all(), blob) {
		return judgement{verdict: hostRevoked}
	}
	holds := func(keys []*knownKey) bool {
		return slices.ContainsFunc(keys, func(x *knownKey) bool { return x.blob == blob })
	}
	for _, name := range n.full {
		keys := k.plain(name)
		if holds(keys) || k.hidden(name, blob) {
			return judgement{verdict: hostKnown}
		}
		if len(keys) > 0 {
			return judgement{hostChanged, keys}
		}
	}
	for _, name := range n.full {
		if keys := k.scan(name); len(keys) > 0 {
			return judgement{hostChanged, keys}
		}
	}
	for _, name := range n.portless {
		if holds(k.plain(name)) || k.hidden(name, blob) {
			return judgement{verdict: hostKnown}
		}
	}
	return judgement{verdict: hostUnknown}
}
