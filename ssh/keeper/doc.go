// Package keeper keeps connections between commands: a process in the background, one for
// each user and machine, that carries out attempts for other processes of that user over
// connections that stay open for a while.
//
// [Serve] is that process. [Dial] connects to it, or starts it, and returns an [Executor]
// that makes the attempts of a run through it, and those that cannot go through it by the
// [ssh.Client] that it is given. Outcomes, retries, records and all output stay with the
// caller; the keeper has what [ssh.Client] does, from the login to the end of a command.
//
// # What is where
//
// Private keys, passphrases and passwords stay with the caller: the keeper gets the public
// halves of keys and asks back for signatures, as an agent is asked. A run with a password
// or a secret variable does not go through the keeper, nor does a host that a proxy command
// of the caller connects to.
//
// A connection is taken over only by a login that would be the same in all that decides
// who logs in to what, see [ssh.IdlePool]; the host's key is judged again by known_hosts as
// it is then.
//
// # The socket
//
// The keeper listens on a socket in a directory of the user's with mode 0700. Each side
// asks the system for the user of the other and hangs up on any other user than its own.
//
// A message is its length (4 bytes), what it is (1), what it is about (4), and a body. Each
// side may ask the other: the mark of a start before the command is sent, a piece of
// output, of input, a signature. Of each stream one piece is on its way, and the next one
// follows when it has been written: what slows a caller's writer down slows the host down,
// and the limits of a command do not run meanwhile, as without a keeper.
//
// # Ends
//
// When the caller is gone, the keeper ends its commands on the hosts as a run that is
// stopped does. When the keeper is gone, or silent, commands that may have been sent are
// lost, and the others are sent by the caller's own client.
package keeper
