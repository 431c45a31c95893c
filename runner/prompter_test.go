package runner

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/internal/hostkeys"
	"tutti/ssh"
)

// An oracle answers with what it was given, and keeps what it was asked.
type oracle struct {
	login, sudo string
	err         error
	asked       []string
	given       [][]byte // what was returned
}

var _ Prompter = (*oracle)(nil)

func (o *oracle) LoginPassword(context.Context) ([]byte, error) {
	o.asked = append(o.asked, "login")
	return o.give(o.login), o.err
}

func (o *oracle) give(text string) []byte {
	o.given = append(o.given, []byte(text))
	return o.given[len(o.given)-1]
}

func (o *oracle) SudoPassword(_ context.Context, login bool) ([]byte, error) {
	o.asked = append(o.asked, map[bool]string{false: "sudo", true: "sudo or login"}[login])
	return o.give(o.sudo), o.err
}

func (o *oracle) Passphrases() func(context.Context, string) ([]byte, error) { return nil }

func (o *oracle) ConfirmTouches(context.Context, int) error {
	o.asked = append(o.asked, "touches")
	return o.err
}

func TestSudoPassword(t *testing.T) {
	refused := errors.New("refused")
	tests := []struct {
		name     string
		task     Task
		prompter *oracle
		login    string
		want     string
		err      string // part of it
		asked    string
	}{
		{"none is wanted", Task{Sudo: "root"}, &oracle{}, "", "", "", ""},
		{"asked for", Task{AskSudoPass: true}, &oracle{sudo: "s"}, "", "s", "", "sudo"},
		{"the same as to log in", Task{AskSudoPass: true}, &oracle{}, "l", "l", "", "sudo or login"},
		{"empty", Task{AskSudoPass: true}, &oracle{}, "", "", "is empty", "sudo"},
		{"with a NUL byte", Task{AskSudoPass: true}, &oracle{sudo: "s\x00"}, "", "", "NUL byte", "sudo"},
		{"not answered", Task{AskSudoPass: true}, &oracle{err: refused}, "", "", "refused", "sudo"},
		{"no terminal to ask", Task{AskSudoPass: true}, nil, "", "", "no terminal to ask", ""},
		{"a command", Task{SudoPassCommand: "printf 'c\\r\\nmore\\n'"}, nil, "l", "c", "", ""},
		{"a command that prints nothing", Task{SudoPassCommand: "true"}, nil, "l", "", "is empty", ""},
		{"a command that fails", Task{SudoPassCommand: "exit 3"}, nil, "", "", "sudo_pass_command: exit status 3", ""},
		{"a command that prints too much", Task{SudoPassCommand: "head -c 70000 /dev/zero; true"}, nil, "", "", "longer than a password", ""},
		{"a command without the secrets of hosts", Task{SudoPassCommand: "printf %s \"${TOKEN-none}$STAGE\"", Env: []string{"TOKEN"}}, nil, "", "noneprod", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := &Launch{Env: &Env{Environ: []string{"TOKEN=secret", "STAGE=prod", "PATH=/usr/bin:/bin"}}, Request: &Request{Task: tt.task}}
			if tt.prompter != nil {
				l.Prompter = tt.prompter
			}
			var login fanout.Secret
			if tt.login != "" {
				login = fanout.Secret(tt.login)
			}
			sudo := &fanout.Sudo{User: "root"}
			err := l.asker().giveSudoPassword(t.Context(), sudo, login)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
			if !bytes.Equal(sudo.Password, []byte(tt.want)) {
				t.Errorf("got %q, want %q", sudo.Password, tt.want)
			}
			if tt.prompter != nil && strings.Join(tt.prompter.asked, ",") != tt.asked {
				t.Errorf("asked %q, want %q", tt.prompter.asked, tt.asked)
			}
		})
	}
}

func TestLoginPassword(t *testing.T) {
	for _, tt := range []struct {
		name     string
		prompter Prompter
		wanted   bool
		want     string
		err      string
	}{
		{"none is wanted", nil, false, "", ""},
		{"asked for", &oracle{login: "l"}, true, "l", ""},
		{"empty", &oracle{}, true, "", "is empty"},
		{"no terminal to ask", nil, true, "", "no terminal to ask"},
	} {
		l := &Launch{Prompter: tt.prompter, Request: &Request{Login: Login{AskPass: tt.wanted}}}
		got, err := l.asker().loginPassword(t.Context())
		if string(got) != tt.want || (tt.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %q, %v, want %q, %q", tt.name, got, err, tt.want, tt.err)
		}
		if err != nil && !errors.As(err, new(*fault.UsageError)) {
			t.Errorf("%s: %v is no usage error", tt.name, err)
		}
	}
}

// Passwords are wiped if no client is made that would wipe them.
func TestPasswordsWithoutAClientAreWiped(t *testing.T) {
	nowhere := ssh.Endpoint{HostKeys: hostkeys.AcceptNew}
	for _, tt := range []struct {
		name      string
		prompter  oracle
		endpoints []ssh.Endpoint
		err       string
	}{
		{"a login password that is refused", oracle{login: "l\x00l"}, nil, "the login password"},
		{"a sudo password that is refused", oracle{login: "l", sudo: "s\x00s"}, nil, "the sudo password"},
		{"no client", oracle{login: "l"}, []ssh.Endpoint{nowhere}, "known_hosts"},
	} {
		r := &Request{Login: Login{AskPass: true}, Task: Task{AskSudoPass: true}}
		l := &Launch{Env: &Env{}, Request: r, Prompter: &tt.prompter}
		d := &Decision{Endpoints: tt.endpoints}
		d.Plan.Task.Sudo = &fanout.Sudo{User: "root"}
		if _, err := l.prepare(t.Context(), d); err == nil || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.err)
		}
		for i, password := range tt.prompter.given {
			if len(bytes.Trim(password, "\x00")) > 0 {
				t.Errorf("%s: password %d is still there: %q", tt.name, i+1, password)
			}
		}
	}
}

// A key that has to be touched needs an operator who touches it.
func TestConfirmTouches(t *testing.T) {
	there := &oracle{}
	for _, tt := range []struct {
		name     string
		prompter Prompter
		touches  int
		ok       bool
	}{
		{"none", nil, 0, true},
		{"no terminal to ask", nil, 1, false},
		{"an operator is there", there, 3, true},
		{"the operator refuses", &oracle{err: errors.New("no")}, 3, false},
	} {
		l := &Launch{Prompter: tt.prompter}
		if err := l.asker().confirmTouches(t.Context(), tt.touches); (err == nil) != tt.ok {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	if len(there.asked) != 1 {
		t.Errorf("asked %q, want once", there.asked)
	}
}
