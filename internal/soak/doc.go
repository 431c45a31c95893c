// Package soak holds a test only: many runs by several processes at once
// against a fleet in which everything goes wrong, each of them held against what
// the fleet knows happened.
//
// The fleet lives in the test. Every run is a process of its own, the test
// binary started again, that executes a plan as the program does and records
// it in a history that all of them share. Some of the processes are interrupted,
// some run out of time, some are killed; bastions restart under them. `make soak`
// is the long form, `go test` a short one; both say the seed that everything was
// drawn from, and -seed draws the same again.
package soak
