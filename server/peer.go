package server

import (
	"net"
	"net/http"
	"os/user"
	"strconv"

	"tutti/access"
)

// Peers lets those in who ask over a local socket, as the kernel knows them.
type Peers struct {
	// Own is the number of the user that this process runs as.
	Own int64
	// Rules are for others than that user and root.
	Rules []access.PeerRule
}

var _ Access = (*Peers)(nil)

// errNobody: nothing says who asks.
var errNobody = notKnown.Fail("nothing in the request says who asks")

// Who is the principal of a request over a local socket.
func (p *Peers) Who(r *http.Request) (access.Principal, error) {
	peer, ok := peerOf(r.Context())
	if !ok {
		return access.Principal{}, errNobody
	}
	return access.OfPeer(peer, p.Own, p.Rules)
}

// peerUser is who is at the other end of a connection.
func peerUser(c *net.UnixConn) (access.PeerUser, error) {
	uid, gid, err := peerIDs(c)
	if err != nil {
		return access.PeerUser{}, err
	}
	peer := access.PeerUser{Login: strconv.FormatInt(uid, 10), UID: uid, GIDs: []int64{gid}}
	u, err := user.LookupId(peer.Login)
	if err != nil {
		return peer, nil //nolint:nilerr // a user without a name is one all the same
	}
	peer.Login = u.Username
	groups, err := u.GroupIds()
	if err != nil {
		return peer, nil //nolint:nilerr // its first group is known
	}
	for _, text := range groups {
		if id, err := strconv.ParseInt(text, 10, 64); err == nil {
			peer.GIDs = append(peer.GIDs, id)
		}
	}
	return peer, nil
}
