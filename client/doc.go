// Package client uses the HTTP API of a tutti server: over a local socket, or over the
// network with a token.
//
// A [Client] sends typed requests and returns the forms of package api. A refusal of the
// server is a [*ProblemError]; other errors say why there is no answer from a tutti
// server. A request that a busy server refuses is repeated for a bounded time, and one
// that starts work has a key, so that the server executes it once.
//
// An answer is trusted no more than the output of a host: it is bounded, and its texts are
// made safe for a terminal before they become errors. Redirects are not followed, and a
// token is sent to its own server only.
//
// [Keyring] stores the tokens of servers in a file.
package client
