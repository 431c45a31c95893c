package knownhosts

import "slices"

// A Verdict is what known_hosts says of a key.
type Verdict int

// The verdicts: the host has no key there, this one, only others of its type or
// none that it presents, or this one is revoked.
const (
	Unknown Verdict = iota
	Known
	Changed
	Revoked
)

type judgement struct {
	verdict Verdict
	others  []*knownKey // the keys that are known instead
}

// kinds returns the types of the known keys that can be requested.
func (j judgement) kinds() []string {
	var kinds []string
	for _, k := range j.others {
		askable := slices.ContainsFunc(Preferred, func(a string) bool { return KeyKind(a) == k.kind })
		if askable && !slices.Contains(kinds, k.kind) {
			kinds = append(kinds, k.kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// classify looks blob up under n. The first name with readable lines decides; a hashed
// line with this very blob makes the key known; only then are all hashed lines searched
// for other keys of the host. A line without a port applies to a host on another port
// only if it holds this very key.
func (k *index) classify(n hostNames, blob string) judgement {
	if k.isRevoked(n.all(), blob) {
		return judgement{verdict: Revoked}
	}
	holds := func(keys []*knownKey) bool {
		return slices.ContainsFunc(keys, func(x *knownKey) bool { return x.blob == blob })
	}
	for _, name := range n.full {
		keys := k.plain(name)
		if holds(keys) || k.hidden(name, blob) {
			return judgement{verdict: Known}
		}
		if len(keys) > 0 {
			return judgement{Changed, keys}
		}
	}
	for _, name := range n.full {
		if keys := k.scan(name); len(keys) > 0 {
			return judgement{Changed, keys}
		}
	}
	for _, name := range n.portless {
		if holds(k.plain(name)) || k.hidden(name, blob) {
			return judgement{verdict: Known}
		}
	}
	return judgement{verdict: Unknown}
}
