package ssh

import (
	"context"
	"crypto/rsa"
	"fmt"
	"net/netip"
	"slices"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/hostkeys"
	"tutti/ssh/knownhosts"
)

// checkKey decides about key, which the host reached at remote has proved to
// hold: first by the rules of the endpoint, which hold whatever known_hosts says,
// then by known_hosts. The errors are those of [knownhosts.Files.Check].
func (e *endpoint) checkKey(ctx context.Context, key gossh.PublicKey, remote string, asked bool) error {
	if bits := rsaBits(key); bits > 0 && bits < e.MinRSABits {
		return &knownhosts.Refusal{Message: "the host's RSA key is too short", Detail: fmt.Sprintf("%s has %d bits, and %d are required", knownhosts.Describe(key), bits, e.MinRSABits)}
	}
	if err := e.revoked.Refuse(key); err != nil {
		return err
	}
	ip := e.reached(remote)
	if e.LoopbackTrusted && e.HostKeyAlias == "" && ip.IsLoopback() {
		return nil
	}
	if err := e.checkAddress(key, ip); err != nil {
		return err
	}
	return e.hostKeys.Check(ctx, e.knownHost(), key, asked)
}

// knownHost is what known_hosts is asked about for e.
func (e *endpoint) knownHost() knownhosts.Host {
	return knownhosts.Host{
		Alias: e.Alias, Address: e.Address, Port: e.Port, HostKeyAlias: e.HostKeyAlias, AddressOnly: e.AddressOnly,
		Indirect: e.indirect(), Mode: e.HostKeys, NewKeysRefused: e.NewKeysRefused, HashNames: e.HashNames,
		CASignatures: e.algorithms.authorities,
	}
}

// indirect reports whether the connection goes through something else, where an
// address means nothing from here.
func (e *endpoint) indirect() bool { return len(e.Jumps) > 0 || e.ProxyCommand != "" }

// hostKeyFailure is the failure of a host whose key was refused.
func hostKeyFailure(r *knownhosts.Refusal) *fanout.Failure {
	return &fanout.Failure{Op: fanout.OpHostKey, Message: r.Message, Detail: r.Detail, Cause: causeOfHostKey(r.Reason), Final: true}
}

// reached is the IP address of remote; the zero value where the connection goes
// through something else, and an address means nothing.
func (e *endpoint) reached(remote string) netip.Addr {
	if e.indirect() {
		return netip.Addr{}
	}
	at, err := netip.ParseAddrPort(remote)
	if err != nil { // which cannot be
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// checkAddress refuses a key that differs from those known for the host's IP
// address. Certificates speak of names.
func (e *endpoint) checkAddress(key gossh.PublicKey, ip netip.Addr) error {
	_, certificate := key.(*gossh.Certificate)
	if !e.CheckAddress || certificate || e.HostKeys == hostkeys.Off || !ip.IsValid() || ip.IsLoopback() || ip.String() == e.Address {
		return nil
	}
	return e.hostKeys.CheckAddress(key, ip, e.Port)
}

// rsaBits is the length of an RSA key, 0 for other types.
func rsaBits(key gossh.PublicKey) int {
	if cert, ok := key.(*gossh.Certificate); ok {
		key = cert.Key
	}
	holder, ok := key.(gossh.CryptoPublicKey)
	if !ok {
		return 0
	}
	if public, ok := holder.CryptoPublicKey().(*rsa.PublicKey); ok {
		return public.N.BitLen()
	}
	return 0
}

// permitted are those of keys that e may offer, each with the algorithms that it
// may sign with.
func (e *endpoint) permitted(keys []*key) []*key {
	if e.Methods != nil && !slices.Contains(e.Methods, byKey) {
		return nil
	}
	if e.KeyAlgorithms == "" && e.MinRSABits == 0 {
		return keys
	}
	var left []*key
	for _, k := range keys {
		limited := *k
		if e.KeyAlgorithms != "" {
			limited.accepted = e.algorithms.keys
		}
		if bits := rsaBits(k.public); len(limited.algorithms()) > 0 && (bits == 0 || bits >= e.MinRSABits) {
			left = append(left, &limited)
		}
	}
	return left
}
