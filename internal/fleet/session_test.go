package fleet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"
)

// trips makes round trips: what the server was about to do without being asked
// has arrived by then.
func (b *bench) trips(client *gossh.Client) {
	b.tb.Helper()
	for range 50 {
		if _, _, err := client.SendRequest("round trip", true, nil); err != nil {
			b.tb.Fatalf("round trip: %v", err)
		}
	}
}

func TestEnd(t *testing.T) {
	junk := strings.Repeat("J", 64<<10)
	tests := []struct {
		name    string
		faults  Faults
		kind    string
		payload string
	}{
		{name: "own", kind: "exit-status", payload: "\x00\x00\x00\x03"},
		{name: "large", faults: Faults{Exit: &Exit{Code: 0xffffffff}}, kind: "exit-status", payload: "\xff\xff\xff\xff"},
		{name: "malformed", faults: Faults{RawStatus: []byte("abc")}, kind: "exit-status", payload: "abc"},
		{name: "none", faults: Faults{NoExit: true}},
		{
			name:    "signal",
			faults:  Faults{Exit: &Exit{Signal: "SEGV", Core: true, Msg: "oh \x1b[2J"}},
			kind:    "exit-signal",
			payload: "\x00\x00\x00\x04SEGV\x01\x00\x00\x00\x07oh \x1b[2J\x00\x00\x00\x00",
		},
		{
			name:    "junk",
			faults:  Faults{Exit: &Exit{Signal: junk}},
			kind:    "exit-signal",
			payload: "\x00\x01\x00\x00" + junk + "\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := one(t, Host{Faults: test.faults})
			ch := b.talk(b.mustDial("a"))
			if !ch.exec("x") {
				t.Fatal("exec refused")
			}
			kind, payload := ch.end()
			if kind != test.kind || string(payload) != test.payload {
				t.Errorf("got %s %.80q, want %s %.80q", kind, payload, test.kind, test.payload)
			}
			if stdout, stderr := ch.all(); stdout != "a: x\n" || stderr != "warned\n" {
				t.Errorf("got %q and %q", stdout, stderr)
			}
			r := b.Log()[0]
			if r.Sent != (test.kind != "") || r.Exit == nil || r.Exit.Code != 3 || r.Stdout != 5 || r.Stderr != 7 {
				t.Errorf("got record %+v", r)
			}
		})
	}
}

func TestHoldKeepsTheChannelOpen(t *testing.T) {
	b := one(t, Host{Faults: Faults{Hold: Forever}})
	client := b.mustDial("a")
	ch := b.talk(client)
	ch.exec("x")
	if kind, _ := ch.end(); kind != "exit-status" {
		t.Errorf("got %q, want exit-status", kind)
	}
	b.trips(client)
	// The channel answers for as long as it is open.
	if _, err := ch.SendRequest("still there?", true, nil); err != nil {
		t.Fatalf("got %v, want a channel that stays open", err)
	}
	_ = ch.Close()
	if r := await(t, "close", ch.requests); r != nil {
		t.Errorf("got request %s, want a closed channel", r.Type)
	}
}

// TestExitFirst has the handler wait for word that the status has come.
func TestExitFirst(t *testing.T) {
	b := one(t, Host{
		Exec: HandlerFunc(func(s *Session) Exit {
			_, _ = io.ReadFull(s.Stdin, make([]byte, 1))
			_, _ = io.WriteString(s.Stdout, "late")
			return Exit{}
		}),
		Faults: Faults{ExitFirst: true, Exit: &Exit{Code: 9}},
	})
	ch := b.talk(b.mustDial("a"))
	ch.exec("x")
	if kind, payload := ch.end(); kind != "exit-status" || binary.BigEndian.Uint32(payload) != 9 {
		t.Errorf("got %s %q, want exit-status 9", kind, payload)
	}
	_, _ = ch.Write([]byte("!"))
	if stdout, _ := ch.all(); stdout != "late" {
		t.Errorf("got %q, want %q", stdout, "late")
	}
	if kind, _ := ch.end(); kind != "" {
		t.Errorf("got a second message about the end: %s", kind)
	}
}

// TestLateReply has the handler wait for word that its output has come.
func TestLateReply(t *testing.T) {
	b := one(t, Host{
		Exec: HandlerFunc(func(s *Session) Exit {
			_, _ = io.WriteString(s.Stdout, "early")
			_, _ = io.ReadFull(s.Stdin, make([]byte, 1))
			return Exit{}
		}),
		Faults: Faults{LateReply: true},
	})
	client := b.mustDial("a")
	ch := b.talk(client)
	replied := make(chan bool, 1)
	go func() {
		ok, _ := ch.SendRequest("exec", true, gossh.Marshal(struct{ Command string }{"x"}))
		replied <- ok
	}()
	got := make([]byte, len("early"))
	if _, err := io.ReadFull(ch, got); err != nil || string(got) != "early" {
		t.Fatalf("got %q, %v", got, err)
	}
	b.trips(client)
	select {
	case ok := <-replied:
		t.Errorf("got reply %v before the end", ok)
	default:
	}
	_, _ = ch.Write([]byte("!"))
	if !await(t, "reply", replied) {
		t.Error("got a refusal")
	}
}

func TestPacketSizes(t *testing.T) {
	b := one(t, Host{Faults: Faults{PacketSize: 1, Drip: 1, Flood: 300}})
	got := b.run("a", "x")
	if want := "a: x\n" + string(flooding[:300]); got.stdout != want {
		t.Errorf("got %q, want %q", got.stdout, want)
	}
	// A packet takes at least 16 bytes and a tag of 16.
	if got := b.lastConn().Written; got < 300*32 {
		t.Errorf("got %d bytes on the wire, too few for packets of one byte", got)
	}
}

func TestDripForever(t *testing.T) {
	b := one(t, Host{Faults: Faults{Drip: Forever}})
	client := b.mustDial("a")
	ch := b.talk(client)
	ch.exec("x")
	b.trips(client)
	_ = ch.Close()
	if stdout, stderr := ch.all(); stdout != "" || stderr != "" {
		t.Errorf("got %q and %q, want nothing", stdout, stderr)
	}
}

func TestFloodForever(t *testing.T) {
	b := one(t, Host{Faults: Faults{Flood: Forever}})
	client := b.mustDial("a")
	ch := b.talk(client)
	ch.exec("x")
	if n, err := io.CopyN(io.Discard, ch, 5<<20); err != nil {
		t.Errorf("got %d bytes, %v", n, err)
	}
	_ = client.Close()
}

func TestAfterEOF(t *testing.T) {
	const unknown = 10_000
	b := one(t, Host{Faults: Faults{AfterEOF: []byte("ghost"), Extended: make([]byte, unknown)}})
	client := b.mustDial("a")
	ch := b.talk(client)
	ch.exec("x")
	// The client's buffer hands out what follows its end of file, if it is
	// read again once the channel is closed.
	stdout, stderr := ch.all()
	for r := range ch.requests {
		_ = r.Reply(false, nil)
	}
	rest, _ := io.ReadAll(ch)
	if got, want := stdout+string(rest), "a: x\nghost"; got != want || stderr != "warned\n" {
		t.Errorf("got %q and %q, want %q", got, stderr, want)
	}
	if got := b.lastConn().Written; got < unknown {
		t.Errorf("got %d bytes on the wire, want the %d of an unknown type too", got, unknown)
	}
	if got := b.runOn(client, "y", nil); !strings.HasPrefix(got.stdout, "a: y\n") || status(got.err) != 3 {
		t.Errorf("next session: got %q, %v", got.stdout, got.err)
	}
}

func TestKeepalives(t *testing.T) {
	b := one(t, Host{Faults: Faults{Keepalives: 100}})
	if got := b.run("a", "x"); status(got.err) != 3 {
		t.Errorf("got %v, want status 3", got.err)
	}
	if got := b.Log()[0].Requests; got != 200 {
		t.Errorf("got %d requests answered, want 200", got)
	}
}

func TestMaxSessions(t *testing.T) {
	b := one(t, Host{Faults: Faults{MaxSessions: 1}})
	client := b.mustDial("a")
	ch := b.talk(client)
	_, _, err := client.OpenChannel("session", nil)
	refused, ok := errors.AsType[*gossh.OpenChannelError](err)
	if !ok || refused.Reason != gossh.ConnectionFailed || refused.Message != "open failed" {
		t.Errorf("got %v, want open failed", err)
	}
	_ = ch.Close()
	if r := await(t, "close", ch.requests); r != nil {
		t.Errorf("got request %s, want a closed channel", r.Type)
	}
	if got := b.lastConn().Sessions; got != 2 {
		t.Errorf("got %d sessions asked for, want 2", got)
	}
}

func TestRejections(t *testing.T) {
	b := one(t, Host{Faults: Faults{RejectExec: true}})
	client := b.mustDial("a")
	ch := b.talk(client)
	if ch.exec("x") {
		t.Error("exec granted")
	}
	for _, kind := range []string{"env", "pty-req", "subsystem", "nonsense"} {
		if ok, err := ch.SendRequest(kind, true, nil); ok || err != nil {
			t.Errorf("%s: got %v, %v, want a refusal", kind, ok, err)
		}
	}
	b.SetFaults("a", Faults{RejectOpen: &gossh.OpenChannelError{Reason: gossh.Prohibited, Message: "no"}})
	for _, kind := range []string{"session", "direct-tcpip"} {
		_, _, err := client.OpenChannel(kind, nil)
		if _, ok := errors.AsType[*gossh.OpenChannelError](err); !ok {
			t.Errorf("%s: got %v, want a refusal", kind, err)
		}
	}
}

func TestForward(t *testing.T) {
	b := start(t, Options{Exec: echo, Hosts: []Host{
		{Name: "jump", Forward: true}, {Name: "a"}, {Name: "down", Down: true},
	}})
	jump := b.mustDial("jump")
	_, port := b.Endpoint("a")
	for _, addr := range []string{b.address("a"), fmt.Sprintf("a:%d", port)} {
		nc, err := jump.Dial("tcp", addr)
		if err != nil {
			t.Fatalf("%s: %v", addr, err)
		}
		cfg := b.config()
		cfg.HostKeyCallback = gossh.InsecureIgnoreHostKey() // the address is not what was dialled
		client, err := b.handshake(nc, cfg)
		if err != nil {
			t.Fatalf("%s: %v", addr, err)
		}
		if got := b.runOn(client, "x", nil).stdout; got != "a: x\n" {
			t.Errorf("%s: got %q", addr, got)
		}
		_ = client.Close()
	}
	tests := []struct {
		name, addr string
		want       gossh.RejectionReason
	}{
		{name: "down", addr: b.address("down"), want: gossh.ConnectionFailed},
		{name: "outside", addr: "192.0.2.1:22", want: gossh.Prohibited},
		{name: "unknown", addr: "nowhere.example:22", want: gossh.Prohibited},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := jump.Dial("tcp", test.addr)
			if refused, ok := errors.AsType[*gossh.OpenChannelError](err); !ok || refused.Reason != test.want {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestWindow(t *testing.T) {
	release := make(chan struct{})
	b := one(t, Host{
		Exec: HandlerFunc(func(s *Session) Exit {
			<-release
			_, _ = io.Copy(s.Stdout, s.Stdin)
			return Exit{}
		}),
		Faults: Faults{Window: 10},
	})
	client := b.mustDial("a")
	ch := b.talk(client)
	ch.exec("x")
	sent := bytes.Repeat([]byte("0123456789"), 100)
	written := make(chan error, 1)
	go func() {
		_, err := ch.Write(sent)
		_ = ch.CloseWrite()
		written <- err
	}()
	b.trips(client)
	select {
	case err := <-written:
		t.Errorf("got %v, want a writer that waits", err)
	default:
	}
	close(release)
	if stdout, _ := ch.all(); stdout != string(sent) {
		t.Errorf("got %d bytes back, want %d", len(stdout), len(sent))
	}
	if err := await(t, "write", written); err != nil {
		t.Error(err)
	}
}

func TestHangUp(t *testing.T) {
	for _, when := range []HangUp{HangUpAfterExit, HangUpAfterClose} {
		b := one(t, Host{Faults: Faults{HangUp: when}})
		client := b.mustDial("a")
		ch := b.talk(client)
		ch.exec("x")
		if kind, _ := ch.end(); kind != "exit-status" {
			t.Errorf("%d: got %q, want exit-status", when, kind)
		}
		if stdout, _ := ch.all(); stdout != "a: x\n" {
			t.Errorf("%d: got %q", when, stdout)
		}
		if err := client.Wait(); err == nil {
			t.Errorf("%d: got nil, want a connection that ended", when)
		}
	}
}

func TestSignals(t *testing.T) {
	// The command says when it is ready to be shot at.
	const sleeper = "echo ready; sleep 300 & wait"
	const listener = "echo ready; read x; echo alive"
	const stubborn = "trap '' TERM; echo ready; sleep 300 & wait"
	tests := []struct {
		name    string
		command string
		faults  Faults
		signals []string
		granted bool
		end     string // signal that ended it; empty: it lives on
	}{
		{name: "term", command: sleeper, signals: []string{"TERM"}, granted: true, end: "TERM"},
		{name: "prefix", command: sleeper, signals: []string{"SIGHUP"}, granted: true, end: "HUP"},
		{name: "ladder", command: stubborn, signals: []string{"TERM", "KILL"}, granted: true, end: "KILL"},
		{name: "refused", command: listener, faults: Faults{RejectSignals: true}, signals: []string{"KILL"}},
		{name: "ignored", command: listener, faults: Faults{IgnoreSignals: true}, signals: []string{"KILL"}, granted: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := one(t, Host{Exec: Shell(t.TempDir()), Faults: test.faults})
			client := b.mustDial("a")
			ch := b.talk(client)
			ch.exec(test.command)
			if _, err := io.ReadFull(ch, make([]byte, len("ready\n"))); err != nil {
				t.Fatal(err)
			}
			for _, name := range test.signals {
				if got := ch.signal(name); got != test.granted {
					t.Errorf("%s: got %v, want %v", name, got, test.granted)
				}
			}
			if test.end == "" {
				b.trips(client)
				_, _ = ch.Write([]byte("on\n"))
				if stdout, _ := ch.all(); stdout != "alive\n" || len(b.Log()[0].Signals) != 1 {
					t.Errorf("got %q after %v, want a command that lives", stdout, b.Log()[0].Signals)
				}
				return
			}
			kind, payload := ch.end()
			if kind != "exit-signal" || !bytes.HasPrefix(payload[4:], []byte(test.end)) {
				t.Errorf("got %s %q, want exit-signal %s", kind, payload, test.end)
			}
			ch.all() // ends only when the child in the background has ended too
		})
	}
}
