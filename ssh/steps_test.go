package ssh

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
)

// rawStep is a step of the host that asks for n things.
func rawStep(prompts ...string) []byte {
	step := append([]byte{60}, sshString("second factor")...)
	step = append(append(step, sshString("confirm it on your telephone")...), sshString("")...)
	step = binary.BigEndian.AppendUint32(step, uint32(len(prompts))) //nolint:gosec // there are few
	for _, p := range prompts {
		step = append(append(step, sshString(p)...), 0)
	}
	return step
}

// keyThenSteps takes any key, and then goes through steps. It notes what it is
// answered.
func keyThenSteps(steps [][]byte, answers *[][]byte) func(h *rawHost) error {
	return func(h *rawHost) error {
		signed := false
		for {
			p, err := h.read()
			if err != nil {
				return err
			}
			var r struct {
				User, Service, Method string
				Rest                  []byte `ssh:"rest"`
			}
			switch {
			case p[0] == 5:
				err = h.write(rawAccept...)
			case p[0] == 61:
				*answers = append(*answers, bytes.Clone(p))
				if steps = steps[1:]; len(steps) == 0 {
					return h.write(rawSuccess...)
				}
				err = h.write(steps[0]...)
			case gossh.Unmarshal(p[1:], &r) != nil:
				return fmt.Errorf("got packet %x", p)
			case r.Method == byKey && r.Rest[0] == 0: // may this key come?
				err = h.write(append([]byte{60}, r.Rest[1:]...)...)
			case r.Method == byKey:
				signed = true
				err = h.write(rawFailure(1, byAnswers)...)
			case r.Method == byAnswers && signed:
				err = h.write(steps[0]...)
			default:
				err = h.write(rawFailure(0, "publickey,keyboard-interactive")...)
			}
			if err != nil {
				return err
			}
		}
	}
}

// TestStepsWithoutQuestions: a host that takes the key, and then waits for a
// second factor elsewhere, lets us in, with and without a password, which it does
// not get.
func TestStepsWithoutQuestions(t *testing.T) {
	for _, password := range []string{"", sesame} {
		var answers [][]byte
		b := newRawBench(t, rawScript{login: keyThenSteps([][]byte{rawStep(), rawStep()}, &answers)}, func(o *Options) {
			o.Password = fanout.Secret(password)
		})
		r := b.exec(t.Context(), 0, "") // a login, and no command
		if r.Failure != nil || r.Login <= 0 {
			t.Fatalf("password %q: got %+v, want a login", password, r.Failure)
		}
		for _, got := range answers {
			if want := []byte{61, 0, 0, 0, 0}; !bytes.Equal(got, want) {
				t.Errorf("password %q: got answer %x, want %x", password, got, want)
			}
		}
		if len(answers) != 2 {
			t.Errorf("password %q: got %d answers, want 2", password, len(answers))
		}
		if b.loginGate.state != gateUnknown {
			t.Errorf("password %q: got state %v, want it to be known of no password", password, b.loginGate.state)
		}
	}
}

// TestStepsWithQuestions: a question that only a person can answer is said; one
// for a password gets it, if there is one.
func TestStepsWithQuestions(t *testing.T) {
	tests := []struct {
		name, password string
		step           []byte
		want           string // of the message; empty: a login
		given          bool
	}{
		{"a password", sesame, rawStep("Password: "), "", true},
		{"a password that there is not", "", rawStep("Password: "), "the host accepts only keyboard-interactive", false},
		{"two things", sesame, rawStep("Password: ", "Code: "), `the host asks "Password: Code:", which only a person can answer`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var answers [][]byte
			b := newRawBench(t, rawScript{login: keyThenSteps([][]byte{rawStep(), tt.step}, &answers)}, func(o *Options) {
				o.Password = fanout.Secret(tt.password)
			})
			r := b.exec(t.Context(), 0, "")
			switch {
			case tt.want == "":
				if r.Failure != nil {
					t.Errorf("got %+v, want a login", *r.Failure)
				}
			case r.Failure == nil || !strings.Contains(r.Failure.Message, tt.want) || !strings.Contains(r.Failure.Message, "requires more") || !r.Failure.Final:
				t.Errorf("got %+v, want a final failure with %q", r.Failure, tt.want)
			}
			if got := bytes.Contains(bytes.Join(answers, nil), []byte(sesame)); got != tt.given {
				t.Errorf("got password given %v, want %v", got, tt.given)
			}
		})
	}
}

// TestGreetings: a host may say much before its version line, as much as to ssh;
// what is no SSH host is named as such, and so is a version that is too long.
func TestGreetings(t *testing.T) {
	open := func(h *rawHost) error { return rawAnswers([][]byte{rawAccept}, [][]byte{rawSuccess})(h) }
	long := strings.Repeat("x", 8000) + "\r\n"
	tests := []struct {
		name, preamble, version string
		want                    string // of the message; empty: a login
		final                   bool
	}{
		{"nothing", "", "SSH-2.0-x", "", false},
		{"a long line", long, "SSH-2.0-x", "", false},
		{"many lines", strings.Repeat("notice\n", 1000), "SSH-2.0-x", "", false},
		{"many long lines", strings.Repeat(long, 100), "SSH-2.0-x", "", false},
		{"the longest version", "", "SSH-2.0-" + strings.Repeat("v", 245), "", false},
		{"a longer version", "", "SSH-2.0-" + strings.Repeat("v", 246), "SSH banner has 255 bytes", true},
		{"OpenSSH with 240 more", "", "SSH-2.0-OpenSSH_9.2p1 " + strings.Repeat("v", 240), "SSH banner has 263 bytes", true},
		{"a line without end", strings.Repeat("x", 9000), "SSH-2.0-x", "not an SSH server: it sent a line of more than 8192 bytes", true},
		{"a web server", "HTTP/1.1 400 Bad Request\r\n", "Connection: close", "not an SSH server: it speaks HTTP", true},
		{"a mail server", "220 mail.example.com ESMTP\r\n", "500 what?", "not an SSH server: it speaks SMTP or FTP", true},
		{"a screen", "RFB 003.008\n", "", "not an SSH server: it speaks VNC", true},
		{"a web server that wants TLS", "\x15\x03\x01\x00\x02\x02\x16", "", "not an SSH server: it speaks TLS", true},
		{"an SSH host that says 220 later", "notice\n220 hosts\n", "SSH-2.0-x", "", false},
		{"lines without end", strings.Repeat("x\n", 1100), "SSH-2.0-x", "not an SSH server: it sent 1024 lines", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newRawBench(t, rawScript{preamble: tt.preamble, version: tt.version, login: open}, nil)
			r := b.exec(t.Context(), 0, "")
			switch {
			case tt.want == "":
				if r.Failure != nil {
					t.Errorf("got %+v, want a login", *r.Failure)
				}
			case strings.Contains(tt.want, "not an SSH server") && r.Failure != nil && r.Failure.Cause != CausePort:
				t.Errorf("got cause %q, want %q", r.Failure.Cause, CausePort)
			case r.Failure == nil || r.Failure.Op != fanout.OpLogin || !strings.Contains(r.Failure.Message, tt.want) || r.Failure.Final != tt.final:
				t.Errorf("got %+v, want final %v and %q", r.Failure, tt.final, tt.want)
			}
		})
	}
}
