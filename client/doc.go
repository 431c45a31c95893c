// Package client asks a tutti server over its HTTP API: over a local socket, or over an
// address with a token.
//
// A [Client] sends typed requests and returns the forms of package api. A refusal of the
// server is a [*ProblemError]; that there is no server, or another one than was meant, is
// an error that says what to do. Requests that a busy server turns away are sent again,
// for a bounded time, and those that start work carry a key by which the server runs them
// once, however often they arrive.
//
// What a server answers is no more trusted than what a host writes: answers are bounded,
// and their texts are made visible before they become errors. Redirects are not followed,
// and a token goes to the server that it belongs to and nowhere else.
//
// [Keyring] keeps the tokens of servers in a file.
package client
