// Package fleet is a fleet of SSH servers on loopback inside one process.
//
// A [Fleet] answers for any number of hosts. Each [Host] has a name, a loopback
// address, a host key, a [Handler] that runs commands, and [Faults]: what goes wrong
// there. A host costs nothing until a client connects to it.
//
// On Linux, where all of 127.0.0.0/8 is local, one listener serves every host and
// the address a client dialled says which host it meant. Elsewhere every host has
// its own port on 127.0.0.1. [Fleet.Endpoint] hides the difference.
//
// Commands are real where the handler is [Shell]: only keys in
// [Options.Authorized] log in, and a connection that did not come over loopback
// is closed before a byte is exchanged.
//
// The server is x/crypto/ssh. Faults of the byte stream (latency, cuts, silence)
// live in a wrapper around the network connection and count the bytes the server
// writes; the steps of the handshake are recognised there too, by the packets
// that are sent in clear text. Faults of the protocol are written through the
// library's channels, two of them by setting a private field of the library.
// [Fleet.Log] and [Fleet.Conns] return what truly happened, so that a client's account
// can be compared with it.
package fleet
