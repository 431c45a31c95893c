package soak

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"tutti/internal/fleet"
)

// commandOf returns the command of a run, which no other run has. A shell that
// finds a file "slow" where it is does not come to its end, and has children in
// and out of its session.
func commandOf(lane, round int) string {
	const slow = "[ ! -e slow ] || { trap '' TERM; { setsid sleep 600 || sleep 600; } & sleep 600; }"
	return fmt.Sprintf("echo \"$HOSTNAME\" soak.%d.%d; %s", lane, round, slow)
}

// An answer is what a host says to a command.
type answer struct {
	stdout, stderr []byte
	code           uint32
}

// answerOf is different for every host and every command, and can be told again.
func answerOf(host, command string) answer {
	h := fnv.New64a()
	_, _ = h.Write([]byte(host + "\x00" + command)) // never fails
	r := rand.New(rand.NewPCG(h.Sum64(), 0))
	sizes := []int{0, 1, 80, 80, 4000, 40_000, 200_000}
	a := answer{
		stdout: text(host, r.IntN(1+sizes[r.IntN(len(sizes))])),
		stderr: text("E"+host, r.IntN(1+sizes[r.IntN(4)])),
	}
	if r.IntN(4) == 0 {
		a.code = r.Uint32N(256)
	}
	return a
}

// text is n bytes of numbered lines, so that a missing piece is noticed.
func text(host string, n int) []byte {
	out := make([]byte, 0, n+64)
	for i := 0; len(out) < n; i++ {
		out = fmt.Appendf(out, "%s says %d\n", host, i)
	}
	return out[:n]
}

// floodLine is what Faults.Flood repeats.
const floodLine = "the quick brown fox jumps over the lazy dog 0123456789 abcdefgh\n"

// expected is what a host writes on the two streams if it comes to its end.
func expected(host, command string, s *script) (stdout, stderr []byte) {
	switch s.mode {
	case execs, lingers:
		return fmt.Appendf(nil, "%s %s\n", host, tagOf(command)), nil
	case hangs:
		return nil, nil
	}
	a := answerOf(host, command)
	flood := min(s.faults.Flood, 8<<20) // more than is recorded, of what has no end
	repeated := bytes.Repeat([]byte(floodLine), int(flood)/len(floodLine)+1)
	return append(a.stdout, repeated[:flood]...), a.stderr
}

// exitOf is the end of a command as the host told it, and false if it told none
// that means anything.
func exitOf(r fleet.Record, s *script) (fleet.Exit, bool) {
	switch f := s.faults; {
	case f.NoExit, r.Exit == nil && f.Exit == nil:
		return fleet.Exit{}, false
	case f.RawStatus != nil:
		if len(f.RawStatus) != 4 {
			return fleet.Exit{}, false
		}
		return fleet.Exit{Code: binary.BigEndian.Uint32(f.RawStatus)}, true
	case f.Exit != nil:
		return *f.Exit, true
	}
	return *r.Exit, true
}

// handler runs commands as the script of the host says.
func (s *soak) handler() fleet.Handler {
	quick, slow := fleet.Shell(s.quick), fleet.Shell(s.slow)
	return fleet.HandlerFunc(func(at *fleet.Session) fleet.Exit {
		mode := s.mode(at.Host)
		switch mode {
		case execs:
			return quick.Run(at)
		case lingers:
			return slow.Run(at)
		}
		if tagOf(at.Command) == "" {
			return fleet.Exit{Code: 127} // a sweep; there are no processes
		}
		if mode == hangs {
			return hang(at)
		}
		a := answerOf(at.Host, at.Command)
		if mode == ponders && !pause(at, time.Duration(len(a.stdout)%300)*time.Millisecond) {
			return fleet.Exit{Signal: "HUP"}
		}
		_, _ = at.Stdout.Write(a.stdout) // an error: the client has gone
		_, _ = at.Stderr.Write(a.stderr)
		return fleet.Exit{Code: a.code}
	})
}

func (s *soak) mode(host string) mode {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if at := s.scripts[host]; at != nil {
		return at.mode
	}
	return answers
}

// hang waits for a signal that ends it, or the end of the channel.
func hang(at *fleet.Session) fleet.Exit {
	select {
	case name := <-at.Signals:
		return fleet.Exit{Signal: name}
	case <-at.Done:
		return fleet.Exit{Signal: "HUP"}
	}
}

// pause reports whether the channel outlived it.
func pause(at *fleet.Session, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-at.Done:
		return false
	}
}
