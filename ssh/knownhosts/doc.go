// Package knownhosts decides about the keys of hosts, and knows no connections.
//
// [Files] are the known_hosts files of one run. They are read once into an index,
// so that asking does not take longer the more hosts they hold; a [Host] is asked
// for by its names, and a [Verdict] says how its key compares with the lines about
// it. Lines may hold keys, revoke them, or name authorities, whose certificates
// count in place of a key. A key that must not be trusted ends as a [Refusal].
//
// Files also learn: Check adds the key of a new host where its [hostkeys.Mode] says so, and
// Replace writes keys that an operator has confirmed. Both hold a lock on the file
// and read again what another process has written.
//
// [RevokedKeys] are the keys of a revocation list, which speak against a key
// whatever known_hosts says.
package knownhosts
