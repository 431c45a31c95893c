package fleet

import "encoding/binary"

// Numbers of the packets that are sent before encryption begins.
const (
	msgKexInit = 20
	msgNewKeys = 21
)

// scanner follows what a server writes up to its NEWKEYS, which is in clear
// text, to find the byte at which a step of the handshake is reached. Its zero
// value is at the start of the version line.
type scanner struct {
	versionDone bool
	encrypted   bool
	head        []byte // the packet's first bytes that have arrived
	skip        int    // bytes of the packet still to come after head
}

// packetHead is the length of a packet's length, padding length and type.
const packetHead = 6

// until takes the next bytes and reports whether step is reached in them, and
// after how many.
func (s *scanner) until(p []byte, step Step) (int, bool) {
	if !s.versionDone {
		s.versionDone = true
		switch step {
		case StepHalfVersion:
			return len(p) / 2, true
		case StepVersion:
			return len(p), true
		}
		return 0, false
	}
	for at := 0; at < len(p) && !s.encrypted; {
		if s.skip > 0 {
			n := min(s.skip, len(p)-at)
			at, s.skip = at+n, s.skip-n
		} else {
			n := min(packetHead-len(s.head), len(p)-at)
			s.head = append(s.head, p[at:at+n]...)
			at += n
			if len(s.head) < packetHead {
				return 0, false
			}
			s.skip = max(0, int(binary.BigEndian.Uint32(s.head))+4-packetHead)
		}
		if s.skip > 0 {
			continue
		}
		kind := s.head[packetHead-1]
		s.head = s.head[:0]
		s.encrypted = kind == msgNewKeys
		if kind == msgKexInit && step == StepKexInit || kind == msgNewKeys && step == StepService {
			return at, true
		}
	}
	return 0, false
}
