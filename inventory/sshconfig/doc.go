// Package sshconfig reads ssh_config as ssh does.
//
// [Load] reads the files once, checks them and compiles them into a [Config], which
// answers about many hosts: [Config.Resolve] gives the [Settings] of one, with all
// tokens replaced, and where each comes from. One table says how each keyword is read
// and what it does: it is honoured, it is a warning because ssh would act on it and
// tutti does not, or it makes the host unusable because in ssh it decides who is
// trusted.
//
// The package reads the files and does nothing else; the caller puts flags and the
// inventory above what they say.
package sshconfig
