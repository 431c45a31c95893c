// Package access says who may do what: roles and what each may do, principals and
// their scopes, the secrets they show, and what is kept of all that. It has rules
// only: no network, no files, no SQL. Where users and tokens are kept is behind
// [Store]; the time and the random bytes are the caller's.
//
// A secret is 32 random bytes, or a password. Of the first SHA-256 is kept, of the
// second argon2id with its parameters; neither is in an error, nor in the audit.
//
// Who may run ad-hoc commands has all that the SSH login has on these hosts. To give
// less, a token names the jobs that it may start.
package access
