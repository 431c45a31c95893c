// Package knownhosts checks host keys. It makes no connections.
//
// [Files] are the known_hosts files of one run. They are read once into an index, so
// that a lookup does not slow down with their size. A [Host] is looked up by its names,
// and a [Verdict] says how its key compares with the lines about it. Lines may hold
// keys, revoke them, or name authorities, whose certificates count in place of a key. A
// key that must not be trusted leads to a [Refusal].
//
// Files also store keys: Check adds the key of a new host if its [hostkeys.Mode] says
// so, and Replace writes keys that an operator has confirmed. Both lock the file and
// first read what another process has written.
//
// [RevokedKeys] are the keys of a revocation list, which are refused whatever
// known_hosts says.
package knownhosts
