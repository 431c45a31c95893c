// Package access has the rules of who may do what: roles, principals and their scopes,
// their secrets, and what is stored of all that. It has no network, files or SQL.
// [Store] is where users and tokens are stored; the caller gives the time and the random
// bytes.
//
// A secret is 32 random bytes, of which the SHA-256 is stored, or a password, of which
// argon2id with its parameters is. No secret is in an error or in the audit.
//
// A principal that may run ad-hoc commands has all rights of the SSH login on these
// hosts. To grant less, a token names the jobs that it may start.
package access
