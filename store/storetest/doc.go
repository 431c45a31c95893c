// Package storetest tests the contract of engines of package store, which an engine
// calls with [Test]: the meaning of errors, durability, concurrency of processes. It
// uses the interfaces only.
package storetest
