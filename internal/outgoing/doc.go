// Package outgoing sends HTTP requests to addresses that users chose, such as those
// of callbacks, and only to addresses that they may reach: not to this machine, its
// network, or the metadata services of clouds.
//
// A [Policy] checks URLs and addresses, and does no I/O. A [Dialer] looks a name up
// once, refuses it if any of its addresses is refused, and connects to the addresses
// that were checked, so that a later change of the name has no effect.
// [NewTransport] uses no proxy of the environment and shares no connections.
package outgoing
