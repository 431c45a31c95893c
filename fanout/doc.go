// Package fanout runs one command on many hosts and reports the result of each.
//
// Its words are the words of the whole program. A [Plan] is a decision: a [Task] for
// every [Target], under a [Policy]. [Run] executes it through an [Executor], which
// knows the network, and reports to a [Sink] in a serial stream of [Event]s. Every
// target ends with one [Result] and its [Outcome]; the run ends with a [Summary].
//
// The package knows nothing of SSH, databases, files, terminals or flags, and imports
// the standard library only.
package fanout
