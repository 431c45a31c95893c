// Package sshconfig reads ssh_config as ssh does.
//
// [Load] reads the files once, checks them and compiles them into a [Config], which
// answers about many hosts: [Config.Resolve] gives the [Settings] of one, with all
// tokens replaced, and where each comes from. One table says of each keyword how it
// is read and what becomes of it: it is honoured, it is a warning because it would
// make a difference and makes none here, or it refuses the host because it decides
// in ssh who is trusted.
//
// The package reads the files and does nothing else; the caller puts flags and the
// inventory above what they say.
package sshconfig
