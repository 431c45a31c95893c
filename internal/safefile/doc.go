// Package safefile opens, makes and replaces files by names that another user
// may have put there. Root that follows such a name gives away what it leads to.
//
// A path is walked directory by directory, each held open, and no link is
// followed by the system. A link counts if it belongs to this user or to root,
// or to the owner of what it leads to, who could have put that at its place as
// well; in a directory such as /tmp, where every user may make names, it has to
// belong to this user, to root, or to the owner of the directory, as Linux has
// it. What is opened is looked at again once it is open.
package safefile
