package soak

import (
	"math/rand/v2"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// A want is what must become of a host that nothing else has happened to than
// its fault. Whatever it is, it must be true as well.
type want int

const (
	anything want = iota
	ends          // ok or failed, and its output is complete
	exits         // ok or failed
	endsOpen      // ok or failed, and its output is not complete
	never         // unreachable
	refuses       // failed, without having begun
	times         // timeout
	loses         // lost, or ok or failed and its output is not complete
)

// A mode is what a host does with a command.
type mode int

const (
	answers mode = iota // says something and exits
	ponders             // does so a little later
	hangs               // waits for TERM
	execs               // has a shell do it
	lingers             // has a shell do it that does not come to an end
)

// A script is what is in store for a host in one run.
type script struct {
	fault     string
	want      want
	mode      mode
	faults    fleet.Faults
	limits    fanout.Limits
	keepalive time.Duration
	conns     int  // it has accepted so far
	via       bool // it is reached through the bastion
	struck    bool // its connections were cut in the midst of it all
}

// Limits of hosts that are going to miss them, and of all others.
const (
	shortConnect, longConnect = 700 * time.Millisecond, time.Minute
	shortTimeout, longTimeout = 250 * time.Millisecond, time.Minute
	shortKeepalive            = 300 * time.Millisecond
)

// A fault is something that can go wrong at a host.
type fault struct {
	name string
	want want
	set  func(r *rand.Rand, s *script)
}

// set makes a fault of the server's own faults.
func set(f fleet.Faults) func(*rand.Rand, *script) {
	return func(_ *rand.Rand, s *script) { s.faults = f }
}

// unmet makes one that keeps from a login until the time is up.
func unmet(f fleet.Faults) func(*rand.Rand, *script) {
	return func(_ *rand.Rand, s *script) { s.faults, s.limits.ConnectTimeout = f, shortConnect }
}

// late makes one under which the command does not come to its end.
func late(m mode, f fleet.Faults) func(*rand.Rand, *script) {
	return func(_ *rand.Rand, s *script) { s.mode, s.faults, s.limits.Timeout = m, f, shortTimeout }
}

// cut makes one that ends the connection at some byte.
func cut(how fleet.CutMode, within int64, fromExec bool) func(*rand.Rand, *script) {
	return func(r *rand.Rand, s *script) {
		s.faults.Cut = &fleet.Cut{After: r.Int64N(within), FromExec: fromExec, How: how}
		if how == fleet.Silence || how == fleet.Garble {
			s.keepalive = shortKeepalive
			s.limits.ConnectTimeout = 2 * shortConnect
		}
	}
}

const (
	// wholeLogin is about how many bytes a server sends until a login is complete,
	// wholeAnswer how many then at the least.
	wholeLogin, wholeAnswer = 3000, 2000
	lateWords               = "and another thing\n"
)

var faults = []fault{
	{"none", ends, set(fleet.Faults{})},
	{"ponders", ends, func(_ *rand.Rand, s *script) { s.mode = ponders }},
	// A shell's output may come to its end long after its status.
	{"shell", exits, func(_ *rand.Rand, s *script) { s.mode = execs }},
	{"latency", ends, set(fleet.Faults{Latency: 20 * time.Millisecond, Jitter: 10 * time.Millisecond})},
	{"accept delay", ends, set(fleet.Faults{AcceptDelay: 100 * time.Millisecond})},
	{"preamble", ends, set(fleet.Faults{Preamble: "hello\r\nthere\r\n"})},
	{"banner", ends, set(fleet.Faults{Banner: "keep \x1b[2J out\n"})},
	{"one session", ends, set(fleet.Faults{MaxSessions: 1})},
	{"small window", ends, set(fleet.Faults{Window: 1 << 10})},
	{"late reply", ends, set(fleet.Faults{LateReply: true})},
	{"tiny packets", ends, set(fleet.Faults{PacketSize: 7})},
	{"drip", ends, set(fleet.Faults{PacketSize: 4000, Drip: 2 * time.Millisecond})},
	{"flood", ends, func(r *rand.Rand, s *script) { s.faults.Flood = r.Int64N(2 << 20) }},
	{"unknown data", ends, set(fleet.Faults{Extended: []byte(strings.Repeat("z", 50_000))})},
	{"requests", ends, set(fleet.Faults{Keepalives: 50})},
	{"signal", ends, set(fleet.Faults{Exit: &fleet.Exit{Signal: "SEGV", Core: true, Msg: "dumped"}})},
	{"status 256", ends, set(fleet.Faults{Exit: &fleet.Exit{Code: 256}})},
	{"held a while", anything, set(fleet.Faults{Hold: 50 * time.Millisecond})},
	{"held", endsOpen, set(fleet.Faults{Hold: fleet.Forever})},
	{"after the end", anything, set(fleet.Faults{AfterEOF: []byte(lateWords)})},
	{"status first", anything, set(fleet.Faults{ExitFirst: true, Exit: &fleet.Exit{Code: 4}, PacketSize: 1000, Drip: time.Millisecond})},
	// Who closes a socket that holds what was not read takes back what was not sent.
	{"hangs up late", anything, set(fleet.Faults{HangUp: fleet.HangUpAfterClose})},
	{"hangs up early", loses, set(fleet.Faults{HangUp: fleet.HangUpAfterExit})},
	{"no status", loses, set(fleet.Faults{NoExit: true})},
	{"half a status", loses, set(fleet.Faults{RawStatus: []byte{0, 0, 0}})},

	{"refused", never, unmet(fleet.Faults{Refuse: true})},
	{"throttled", never, unmet(fleet.Faults{Throttle: "Exceeded MaxStartups\r\n"})},
	{"throttled at first", ends, func(_ *rand.Rand, s *script) {
		s.faults.Throttle, s.faults.ThrottleFirst = "Not allowed at this time\r\n", s.conns+1
	}},
	{"stalls on accept", never, unmet(fleet.Faults{Stall: fleet.StepAccept})},
	{"stalls in version", never, unmet(fleet.Faults{Stall: fleet.StepHalfVersion})},
	{"stalls on version", never, unmet(fleet.Faults{Stall: fleet.StepVersion})},
	{"stalls in kex", never, unmet(fleet.Faults{Stall: fleet.StepKexInit})},
	{"stalls on service", never, unmet(fleet.Faults{Stall: fleet.StepService})},
	{"stalls on key", never, unmet(fleet.Faults{Stall: fleet.StepAuth})},
	{"stalls on signature", never, unmet(fleet.Faults{Stall: fleet.StepSign})},
	{"stalls on open", never, unmet(fleet.Faults{Stall: fleet.StepOpen})},
	{"stalls on exec", times, late(answers, fleet.Faults{Stall: fleet.StepExec})},
	{"other host key", never, set(fleet.Faults{WrongHostKey: true})},
	{"key rejected", never, set(fleet.Faults{RejectAuth: true})},
	{"open rejected", refuses, set(fleet.Faults{RejectOpen: &gossh.OpenChannelError{Reason: gossh.Prohibited, Message: "no"}})},
	{"exec rejected", refuses, set(fleet.Faults{RejectExec: true})},

	{"hangs", times, late(hangs, fleet.Faults{})},
	{"refuses signals", times, late(hangs, fleet.Faults{RejectSignals: true})},
	{"ignores signals", times, late(hangs, fleet.Faults{IgnoreSignals: true})},
	{"endless flood", times, late(answers, fleet.Faults{Flood: fleet.Forever, PacketSize: 8 << 10, Drip: time.Millisecond})},
	{"shell lingers", times, late(lingers, fleet.Faults{})},
	{"shell as root", times, late(lingers, fleet.Faults{RejectSignals: true})},
	{"shell is lost", anything, func(r *rand.Rand, s *script) {
		s.mode, s.limits.Timeout = lingers, shortTimeout
		s.faults.Cut = &fleet.Cut{After: 1 + r.Int64N(200), FromExec: true}
	}},

	{"reset in login", anything, cut(fleet.Reset, wholeLogin, false)},
	{"closed in login", anything, cut(fleet.Finish, wholeLogin, false)},
	{"silent in login", anything, cut(fleet.Silence, wholeLogin, false)},
	{"garbled in login", anything, cut(fleet.Garble, wholeLogin, false)},
	{"reset", anything, cut(fleet.Reset, wholeAnswer, true)},
	{"closed", anything, cut(fleet.Finish, wholeAnswer, true)},
	{"silent", anything, cut(fleet.Silence, wholeAnswer, true)},
	{"garbled", anything, cut(fleet.Garble, wholeAnswer, true)},
}

// downFault is that of hosts where nothing listens.
var downFault = fault{"down", never, unmet(fleet.Faults{})}

// draw makes up what is in store for a host.
func draw(r *rand.Rand, down bool, conns int) *script {
	f := faults[r.IntN(len(faults))]
	if down {
		f = downFault
	}
	s := &script{
		fault: f.name, want: f.want, conns: conns, via: r.IntN(4) == 0,
		limits: fanout.Limits{ConnectTimeout: longConnect, Timeout: longTimeout, Retries: r.IntN(2)},
	}
	f.set(r, s)
	return s
}
