package knownhosts

import (
	"bytes"
	"crypto/sha1" // one of the hashes by which lists name keys
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"slices"

	gossh "golang.org/x/crypto/ssh"
)

// RevokedKeys are the keys of a RevokedHostKeys file: lines of public keys, or a
// key revocation list as ssh-keygen -k makes it. Nil revokes nothing.
type RevokedKeys struct {
	file string
	err  error // the file cannot be read, and so no host can be trusted

	blobs, sums1, sums256 map[string]bool
	certificates          []revokedCertificates
}

// revokedCertificates are certificates of one authority, or of any where that is
// empty.
type revokedCertificates struct {
	authority string
	serials   []serialRange
	ids       []string
}

type serialRange struct {
	from, to uint64
	only     *big.Int // the bits of those that count, from from on; nil: all
}

// maxRevoked bounds what is read of a list.
const maxRevoked = 64 << 20

var errNotAList = errors.New("incomplete key revocation list")

// krlMagic begins a key revocation list.
const krlMagic = "SSHKRL\n\x00"

// ReadRevoked reads a file.
func ReadRevoked(file string) *RevokedKeys {
	r := &RevokedKeys{file: file, blobs: map[string]bool{}, sums1: map[string]bool{}, sums256: map[string]bool{}}
	f, err := os.Open(file)
	if err != nil {
		r.err = err
		return r
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxRevoked+1))
	switch {
	case err != nil:
		r.err = err
	case len(data) > maxRevoked:
		r.err = fmt.Errorf("more than %d bytes", maxRevoked)
	case bytes.HasPrefix(data, []byte(krlMagic)):
		r.err = r.readList(data[len(krlMagic):])
	default:
		r.readLines(data)
	}
	return r
}

// readLines reads public keys. As in ssh, a line that holds none revokes nothing.
func (r *RevokedKeys) readLines(data []byte) {
	for line := range bytes.Lines(data) {
		if key, _, _, _, err := gossh.ParseAuthorizedKey(line); err == nil {
			r.blobs[string(plainKey(key).Marshal())] = true
		}
	}
}

// plainKey is key without a certificate around it.
func plainKey(key gossh.PublicKey) gossh.PublicKey {
	if cert, ok := key.(*gossh.Certificate); ok {
		return cert.Key
	}
	return key
}

// Refuse returns the refusal of key, nil if it is not revoked.
func (r *RevokedKeys) Refuse(key gossh.PublicKey) error {
	switch {
	case r == nil:
		return nil
	case r.err != nil:
		return &Refusal{ReasonOther, "cannot read the revoked host keys, so no host can be trusted", fmt.Sprintf("RevokedHostKeys %s: %v", r.file, r.err)}
	case r.holds(key):
		return &Refusal{ReasonRevoked, "the host key is revoked", fmt.Sprintf("%s, in %s", Describe(key), r.file)}
	}
	return nil
}

func (r *RevokedKeys) holds(key gossh.PublicKey) bool {
	keys := []gossh.PublicKey{plainKey(key)}
	cert, ok := key.(*gossh.Certificate)
	if ok {
		keys = append(keys, cert.SignatureKey)
	}
	for _, k := range keys {
		blob := k.Marshal()
		sum1, sum256 := sha1.Sum(blob), sha256.Sum256(blob)
		if r.blobs[string(blob)] || r.sums1[string(sum1[:])] || r.sums256[string(sum256[:])] {
			return true
		}
	}
	return ok && slices.ContainsFunc(r.certificates, func(c revokedCertificates) bool { return c.hold(cert) })
}

func (c *revokedCertificates) hold(cert *gossh.Certificate) bool {
	if c.authority != "" && c.authority != string(cert.SignatureKey.Marshal()) {
		return false
	}
	if slices.Contains(c.ids, cert.KeyId) {
		return true
	}
	// 0 means that a certificate has no serial number.
	return cert.Serial != 0 && slices.ContainsFunc(c.serials, func(s serialRange) bool { return s.contains(cert.Serial) })
}

func (s serialRange) contains(n uint64) bool {
	if n < s.from || n > s.to {
		return false
	}
	return s.only == nil || n-s.from < uint64(s.only.BitLen()) && s.only.Bit(int(n-s.from)) == 1 //nolint:gosec // less than a bit length
}

// The sections of a list, and those within one of certificates.
const (
	krlCertificates = 1
	krlKeys         = 2
	krlSHA1         = 3
	krlSignature    = 4
	krlSHA256       = 5

	krlSerials = 0x20
	krlRange   = 0x21
	krlBitmap  = 0x22
	krlIDs     = 0x23
)

// A listReader reads a list from start to end. It keeps the first error.
type listReader struct {
	rest []byte
	err  error
}

func (l *listReader) take(n uint64) []byte {
	if l.err != nil || n > uint64(len(l.rest)) {
		l.err = errNotAList
		return nil
	}
	taken := l.rest[:n]
	l.rest = l.rest[n:]
	return taken
}

func (l *listReader) number(size uint64) uint64 {
	var buf [8]byte
	copy(buf[8-size:], l.take(size))
	return binary.BigEndian.Uint64(buf[:])
}

func (l *listReader) text() []byte { return l.take(l.number(4)) }

func (l *listReader) more() bool { return l.err == nil && len(l.rest) > 0 }

// readList reads what follows the magic of a key revocation list. An unknown section is
// an error, because it could revoke the key in question.
func (r *RevokedKeys) readList(data []byte) error {
	l := &listReader{rest: data}
	if version := l.number(4); l.err == nil && version != 1 {
		return fmt.Errorf("a key revocation list of version %d; tutti supports version 1", version)
	}
	l.take(3 * 8) // its number, date and flags
	l.text()      // reserved
	l.text()      // a comment
	for l.more() {
		kind, section := l.number(1), &listReader{rest: l.text()}
		if l.err != nil {
			break
		}
		switch kind {
		case krlKeys:
			section.into(r.blobs)
		case krlSHA1:
			section.into(r.sums1)
		case krlSHA256:
			section.into(r.sums256)
		case krlCertificates:
			r.certificates = append(r.certificates, section.certificates())
		case krlSignature: // ssh does not check these either
			l.text()
		default:
			return fmt.Errorf("section of unknown type %d", kind)
		}
		if section.err != nil {
			return section.err
		}
	}
	return l.err
}

func (l *listReader) into(set map[string]bool) {
	for l.more() {
		if text := l.text(); l.err == nil {
			set[string(text)] = true
		}
	}
}

func (l *listReader) certificates() revokedCertificates {
	c := revokedCertificates{authority: string(l.text())}
	l.text() // reserved
	for l.more() {
		kind, part := l.number(1), &listReader{rest: l.text()}
		if l.err != nil {
			break
		}
		switch kind {
		case krlSerials:
			for part.more() {
				n := part.number(8)
				c.serials = append(c.serials, serialRange{from: n, to: n})
			}
		case krlRange:
			c.serials = append(c.serials, serialRange{from: part.number(8), to: part.number(8)})
		case krlBitmap:
			from := part.number(8)
			c.serials = append(c.serials, serialRange{from: from, to: ^uint64(0), only: new(big.Int).SetBytes(part.text())})
		case krlIDs:
			for part.more() {
				c.ids = append(c.ids, string(part.text()))
			}
		default:
			part.err = fmt.Errorf("certificate section of unknown type %d", kind)
		}
		if part.err != nil {
			l.err = part.err
		}
	}
	return c
}
