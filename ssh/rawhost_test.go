package ssh

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	gossh "golang.org/x/crypto/ssh"
	goknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"tutti/fanout"
)

// A rawHost is a host whose every packet the test writes itself, which no
// library would let it.
type rawHost struct {
	conn      net.Conn
	from      *bufio.Reader
	key       gossh.Signer
	in, out   rawDirection
	sessionID []byte
}

// A rawDirection is one direction of the connection; without a stream it is in
// the clear.
type rawDirection struct {
	seq    uint32
	stream cipher.Stream
	mac    hash.Hash
}

func (d *rawDirection) sum(packet []byte) []byte {
	d.mac.Reset()
	d.mac.Write(binary.BigEndian.AppendUint32(nil, d.seq))
	d.mac.Write(packet)
	return d.mac.Sum(nil)
}

// write sends a packet.
func (h *rawHost) write(payload ...byte) error {
	pad := 16 - (5+len(payload))%16
	if pad < 4 {
		pad += 16
	}
	packet := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+pad)) //nolint:gosec // it is small
	packet = append(append(append(packet, byte(pad)), payload...), make([]byte, pad)...)
	var mac []byte
	if h.out.stream != nil {
		mac = h.out.sum(packet)
		h.out.stream.XORKeyStream(packet, packet)
	}
	h.out.seq++
	_, err := h.conn.Write(append(packet, mac...))
	return err
}

// read receives a packet.
func (h *rawHost) read() ([]byte, error) {
	head := make([]byte, 16)
	if _, err := io.ReadFull(h.from, head); err != nil {
		return nil, err
	}
	if h.in.stream != nil {
		h.in.stream.XORKeyStream(head, head)
	}
	n := int(binary.BigEndian.Uint32(head))
	if n < 12 || n > 1<<18 {
		return nil, fmt.Errorf("a packet of %d bytes", n)
	}
	packet := append(head, make([]byte, n+4-16)...)
	if _, err := io.ReadFull(h.from, packet[16:]); err != nil {
		return nil, err
	}
	if h.in.stream != nil {
		h.in.stream.XORKeyStream(packet[16:], packet[16:])
		if _, err := io.ReadFull(h.from, make([]byte, sha256.Size)); err != nil {
			return nil, err
		}
	}
	h.in.seq++
	return packet[5 : len(packet)-int(packet[4])], nil
}

func sshString[T string | []byte](s T) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...) //nolint:gosec // it is short
}

// handshake is everything before the login; preamble is sent first.
func (h *rawHost) handshake(preamble, version string) error {
	if _, err := io.WriteString(h.conn, preamble+version+"\r\n"); err != nil {
		return err
	}
	theirs, err := h.from.ReadString('\n')
	if err != nil {
		return err
	}
	ours := append([]byte{20}, make([]byte, 16)...)
	for _, list := range []string{
		"curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr", "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", "",
	} {
		ours = append(ours, sshString(list)...)
	}
	ours = append(ours, 0, 0, 0, 0, 0)
	if err := h.write(ours...); err != nil {
		return err
	}
	init, err := h.read()
	if err != nil {
		return err
	}
	begin, err := h.read()
	if err != nil {
		return err
	}
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	public, err := ecdh.X25519().NewPublicKey(begin[5:])
	if err != nil {
		return err
	}
	shared, err := private.ECDH(public)
	if err != nil {
		return err
	}
	secret := gossh.Marshal(struct{ K *big.Int }{new(big.Int).SetBytes(shared)})
	sum := sha256.New()
	for _, part := range [][]byte{
		[]byte(strings.TrimRight(theirs, "\r\n")), []byte(version), init, ours, h.key.PublicKey().Marshal(), begin[5:], private.PublicKey().Bytes(),
	} {
		sum.Write(sshString(part))
	}
	sum.Write(secret)
	h.sessionID = sum.Sum(nil)
	signature, err := h.key.Sign(rand.Reader, h.sessionID)
	if err != nil {
		return err
	}
	reply := append([]byte{31}, sshString(h.key.PublicKey().Marshal())...)
	reply = append(append(reply, sshString(private.PublicKey().Bytes())...), sshString(gossh.Marshal(signature))...)
	if err := h.write(reply...); err != nil {
		return err
	}
	if err := h.write(21); err != nil {
		return err
	}
	if _, err := h.read(); err != nil {
		return err
	}
	derive := func(tag byte, n int) []byte {
		k := sha256.Sum256(append(append(append([]byte{}, secret...), h.sessionID...), append([]byte{tag}, h.sessionID...)...))
		return k[:n]
	}
	for _, d := range []struct {
		*rawDirection
		iv, key, mac byte
	}{{&h.in, 'A', 'C', 'E'}, {&h.out, 'B', 'D', 'F'}} {
		block, err := aes.NewCipher(derive(d.key, 16))
		if err != nil {
			return err
		}
		d.stream, d.rawDirection.mac = cipher.NewCTR(block, derive(d.iv, 16)), hmac.New(sha256.New, derive(d.mac, 32))
	}
	return nil
}

// A rawScript is what a rawHost does with each connection.
type rawScript struct {
	preamble string
	version  string // empty: a usual one
	// login goes on from there; it is handed the request for the service first.
	login func(h *rawHost) error
}

// newRawBench is a bench with one host that does what script says.
func newRawBench(tb testing.TB, script rawScript, change func(*Options)) *bench {
	tb.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := gossh.NewSignerFromKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	if script.version == "" {
		script.version = "SSH-2.0-raw"
	}
	var wg sync.WaitGroup
	tb.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				h := &rawHost{conn: c, from: bufio.NewReader(c), key: key}
				err := h.handshake(script.preamble, script.version)
				if err == nil && script.login != nil {
					err = script.login(h)
				}
				tb.Logf("the host's connection ended: %v", err)
			})
		}
	})
	_, path := userKey(tb)
	known := filepath.Join(tb.TempDir(), "known_hosts")
	address := l.Addr().(*net.TCPAddr)
	line := goknownhosts.Line([]string{address.String()}, key.PublicKey())
	if err := os.WriteFile(known, []byte(line+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	b := &bench{opts: Options{
		KnownHosts: []string{known}, Drain: patience,
		Endpoints: []Endpoint{{Address: "127.0.0.1", Port: address.Port, User: "tester", Identities: []string{path}, IdentitiesOnly: true}},
	}}
	b.targets = []fanout.Target{{Name: "raw", Limits: fanout.Limits{ConnectTimeout: patience}}}
	if change != nil {
		change(&b.opts)
	}
	b.Client = newClient(tb, b.opts)
	return b
}

// The messages of a login.
var (
	rawAccept  = append([]byte{6}, sshString("ssh-userauth")...)
	rawSuccess = []byte{52}
)

func rawFailure(partial byte, methods string) []byte {
	return append(append([]byte{51}, sshString(methods)...), partial)
}

// rawAnswers is a login in which the host answers each request, the one for the
// service first, with the next of the packets, until it has let the user in.
func rawAnswers(answers ...[][]byte) func(h *rawHost) error {
	return func(h *rawHost) error {
		for _, packets := range answers {
			if _, err := h.read(); err != nil {
				return err
			}
			for _, p := range packets {
				if err := h.write(p...); err != nil {
					return err
				}
			}
		}
		_, err := h.read() // whatever comes next
		return err
	}
}
