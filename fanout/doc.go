// Package fanout carries one command out on many hosts and says what became of
// each of them.
//
// Its words are the words of the whole program. A [Plan] is a decision: a
// [Task] for every [Target], under a [Policy]. [Run] carries it out through an
// [Executor], which knows the network, and tells a [Sink] about it in a serial
// stream of [Event]s. Every target ends with one [Result] and its [Outcome];
// the run ends with a [Summary].
//
// The package knows nothing of SSH, databases, files, terminals or flags, and
// imports the standard library only.
package fanout
