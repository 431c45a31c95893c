// Package outgoing sends HTTP requests to addresses that others chose, such as those
// of callbacks, so that nothing is reached but what they may reach: not this machine,
// not its network, not the services that clouds give their machines.
//
// A [Policy] judges URLs and addresses, and does no I/O. A [Dialer] looks a name up
// once, refuses it if any of its addresses is refused, and connects to the addresses
// that were judged, so that it does not matter what the name means a moment later.
// [NewTransport] has nothing of the environment: no proxy, no connections of others.
package outgoing
