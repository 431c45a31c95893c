package fleet

import (
	"encoding/binary"
	"testing"
)

// packet is a packet in clear text with so many bytes after its type.
func packet(kind byte, size int) []byte {
	p := binary.BigEndian.AppendUint32(nil, uint32(size)+2)
	return append(append(p, 0, kind), make([]byte, size)...)
}

// FuzzScanner holds the scanner to this: in whatever pieces the bytes come, a
// step is reached at the same byte.
func FuzzScanner(f *testing.F) {
	f.Add(uint16(0), uint16(0), byte(1))
	f.Add(uint16(1100), uint16(200), byte(7))
	f.Add(uint16(3), uint16(9000), byte(255))
	f.Fuzz(func(t *testing.T, init, reply uint16, piece byte) {
		var stream []byte
		stream = append(stream, packet(msgKexInit, int(init))...)
		kexInit := len(stream)
		stream = append(stream, packet(31, int(reply))...)
		stream = append(stream, packet(msgNewKeys, 0)...)
		newKeys := len(stream)
		// What follows is encrypted and may look like anything.
		stream = append(stream, packet(msgKexInit, 5)...)
		stream = append(stream, packet(msgNewKeys, 5)...)

		for step, want := range map[Step]int{StepKexInit: kexInit, StepService: newKeys, StepNone: -1} {
			var s scanner
			s.until([]byte("SSH-2.0-x\r\n"), step)
			got := -1
			for at := 0; at < len(stream); {
				end := min(at+max(1, int(piece)), len(stream))
				if n, reached := s.until(stream[at:end], step); reached {
					got = at + n
					break // the wire is silent from here
				}
				at = end
			}
			if got != want {
				t.Errorf("step %d: got it at %d, want %d", step, got, want)
			}
		}
	})
}
