// Package pgtest starts a real PostgreSQL for tests, in a directory of its own, on
// loopback and a socket that only the tests' user can reach.
//
// As root it runs as the user postgres, since it refuses to run as root; otherwise as the
// user who runs the tests. A server ends with the tests, also if they are killed. Writes
// are not synced to the disk, for the machine is not to fail.
package pgtest
