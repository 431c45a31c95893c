// Package yamltree reads a YAML document as a tree of nodes that know where
// they stand in their file, so that the caller can say exactly which line is wrong.
//
// Values are text: a scalar is what the file says, whatever YAML would take it
// for, so that a name such as NO, 0644 or 1e3 keeps its spelling. A file holds
// at most one document. Mappings have scalar keys, and no key twice. Anchors,
// aliases and merge keys (<<) work within a limit on how far they expand a file.
//
// The zero [Node] is null. Nodes are read-only and may be used by several
// goroutines at once.
package yamltree
