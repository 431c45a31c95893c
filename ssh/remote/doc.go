// Package remote holds the shell programs that run on a host, and reads what they
// say. It knows no connections.
//
// An [Order] is a task as a host gets it: the command line of the exec request, and
// what the program reads first from its standard input. A task that needs nothing
// but its command is sent as it is; others get a prologue, which does what is asked
// for, with sudo if need be, and then becomes the command. A [MarkerReader] strips
// the prologue's markers from the output stream. A [Sweep] is a program that looks
// for what is left of a command, signals it, and says what it has found.
package remote
