// Package hostlist reads and writes the names of many hosts as a short text:
// web[01-20].fra,db1.
//
// [Expand] turns such a list into names and [Fold] turns names into the shortest
// list. A [Pattern] is one name with ranges, kept as it was parsed, so that a
// million names cost nothing until they are needed. [CheckName] says what a name
// may be. A mistake in a text is a [SyntaxError], which knows its offset.
package hostlist
