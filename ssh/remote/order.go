package remote

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"

	"tutti/fanout"
)

// failed is the exit status of a prologue that could not do its work, as env
// and nohup have it.
const failed = 125

// maxLine bounds the lines in which secrets are sent: a terminal swallows what
// is longer.
const maxLine = 1000

// An Order is a task made ready to be sent, once.
type Order struct {
	Task *fanout.Task
	// Command is the command line of the exec request.
	Command string
	// Secrets are the secret variables, as the prologue reads them.
	Secrets []byte
	// PTY is the terminal to run in; nil: none.
	PTY *fanout.PTY
	// Markers strips what the prologue says from its stream; nil: it says nothing.
	Markers *MarkerReader
}

// NewOrder makes task ready. A task that needs nothing but its command is sent
// as it is. Others get a prologue, which does what is asked for and then
// becomes the command.
func NewOrder(task *fanout.Task, pty *fanout.PTY) *Order {
	command, _ := task.Action.(fanout.Command)
	script, _ := task.Action.(*fanout.Script)
	o := &Order{Task: task, Command: string(command), PTY: pty}
	if len(task.Env) == 0 && task.Dir == "" && task.Sudo == nil && script == nil {
		return o
	}
	p := &prologue{task: task, command: string(command), script: script}
	o.Secrets = p.secrets()
	if (o.Secrets != nil || script != nil) && task.Stdin != nil {
		p.taken = rand.Text()
	}
	if task.Sudo == nil {
		o.Command = loginLine(p.text())
	} else {
		o.Markers = newMarkerReader()
		p.ok = string(o.Markers.okMarker)
		o.Command = loginLine(sudoText(task.Sudo, o.Markers, p.text()))
	}
	if p.taken != "" {
		o.Markers = o.Markers.expect(p.taken)
	}
	return o
}

// NewProgram makes p ready.
func NewProgram(p fanout.Program) *Order {
	task := &fanout.Task{Action: fanout.Command(p.Text), Stdin: p.Stdin, Sudo: p.Sudo}
	if p.Sudo != nil {
		return NewOrder(task, nil) // sudo runs sh
	}
	return &Order{Task: task, Command: loginLine(p.Text)}
}

// loginLine is a line by which any login shell becomes a POSIX shell that runs text.
// Characters that csh or fish would interpret even between quotes are written as octal
// numbers.
func loginLine(text string) string {
	return `exec sh -c 'eval "$(printf %b "` + octal(text) + `")"'`
}

// literal are the characters, beside letters and digits, that mean themselves
// to every shell between two pairs of quotes.
const literal = " /.,:;_-+=@%^~?#&|<>()[]{}*"

// octal writes s for printf %b, in characters that need no further care.
func octal(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte(literal, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\0%03o`, c)
		}
	}
	return b.String()
}

// quote makes s one word of a POSIX shell.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// say is shell text that says word on stderr. The text itself does not hold
// the word: who refuses a command may quote it.
func say(word string) string {
	half := len(word) / 2
	return fmt.Sprintf("printf %%s%%s %s %s >&2", word[:half], word[half:])
}

// A prologue is shell text that prepares what a task asks for. It reads what
// it needs from its standard input, and not a byte more of what the command is
// to find there.
type prologue struct {
	task    *fanout.Task
	command string         // of the task, if it has no script
	script  *fanout.Script // nil: there is none
	ok      string         // said first; empty: nothing
	taken   string         // said when it has read all that is for it; empty: nothing
	secret  bool           // it reads secret variables
}

// controls are the characters that a line cannot carry through a terminal, and
// controlNames the letters by which lines name them, in the same order.
const (
	controls     = "\x01\x02\x03\x04\x05\x06\a\b\t\n\v\f\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f"
	controlNames = "abcdefghijklmnopqrstuvwxyzABCDEF"
)

// secrets encodes the secret variables: what is in an argument every user on
// the host can see, and so they are sent on standard input, as lines that a
// shell reads with nothing but itself. There printf may be a program, and its
// arguments would be seen. The first character of a line says what follows the
// rest of it: the control character of that name; "-" nothing; "." the end.
func (p *prologue) secrets() []byte {
	var out []byte
	for _, v := range p.task.Env {
		if v.Secret == nil {
			continue
		}
		p.secret = true
		rest := []byte(v.Secret)
		for {
			n := min(len(rest), maxLine)
			if i := bytes.IndexAny(rest[:n], controls); i >= 0 {
				out = append(append(out, controlNames[strings.IndexByte(controls, rest[i])]), rest[:i]...)
				rest = rest[i+1:]
			} else if n == len(rest) {
				out = append(append(append(out, '.'), rest...), '\n')
				break
			} else {
				out = append(append(out, '-'), rest[:n]...)
				rest = rest[n:]
			}
			out = append(out, '\n')
		}
	}
	return out
}

// text is the prologue, and the command that it becomes.
func (p *prologue) text() string {
	var b strings.Builder
	if p.ok != "" {
		b.WriteString(say(p.ok) + "\n")
	} else {
		b.WriteString("set -- \"${SHELL:-/bin/sh}\"\n")
	}
	p.enterDir(&b)
	p.readSecrets(&b)
	p.takeScript(&b)
	if p.taken != "" {
		b.WriteString(say(p.taken) + "\n")
	}
	p.exportAll(&b)
	b.WriteString(p.become())
	return b.String()
}

func (p *prologue) enterDir(b *strings.Builder) {
	dir := p.task.Dir
	if dir == "" {
		return
	}
	if strings.HasPrefix(dir, "-") {
		dir = "./" + dir // cd - would lead elsewhere
	}
	fmt.Fprintf(b, `CDPATH= cd -- %[1]s 2>/dev/null || {
if [ -d %[1]s ]; then set -- 'permission denied'; elif [ -e %[1]s ]; then set -- 'not a directory'; else set -- 'no such directory'; fi
printf 'tutti: change to %%s: %%s\n' %[2]s "$1" >&2
exit %[3]d
}
`, quote(dir), quote(p.task.Dir), failed)
}

// readSecrets keeps the secrets in variables of our own, so that they change
// nothing for what is to come. See secrets for the lines.
func (p *prologue) readSecrets(b *strings.Builder) {
	if !p.secret {
		return
	}
	b.WriteString("_tutti_read() {\n_tutti=\nwhile IFS= read -r _tutti_l; do\ncase $_tutti_l in\n")
	for i := range len(controls) {
		fmt.Fprintf(b, "%c*) _tutti_c='%c' ;;\n", controlNames[i], controls[i])
	}
	fmt.Fprintf(b, `*) _tutti_c= ;;
esac
_tutti=$_tutti${_tutti_l#?}$_tutti_c
case $_tutti_l in .*) return ;; esac
done
exit %d
}
`, failed)
	secret := 0
	for _, v := range p.task.Env {
		if v.Secret != nil {
			fmt.Fprintf(b, "_tutti_read\n_tutti_%d=$_tutti\n", secret)
			secret++
		}
	}
	b.WriteString("unset _tutti _tutti_c _tutti_l\n")
}

// takeScript receives the script in a file that has lost its name before the
// first byte comes. What is left of it ends with the process that reads it,
// however that ends.
func (p *prologue) takeScript(b *strings.Builder) {
	s := p.script
	if s == nil {
		return
	}
	fmt.Fprintf(b, `_tutti=
trap 'rm -f "$_tutti"; exit %[1]d' HUP INT TERM
_tutti=$(mktemp "${TMPDIR:-/tmp}/tutti.XXXXXXXXXX") || exit %[1]d
exec 7<"$_tutti" 8>"$_tutti" 9<"$_tutti"
rm -f "$_tutti"
trap - HUP INT TERM
unset _tutti
head -c %[2]d >&8 || exit %[1]d
exec 8>&-
if [ "$(wc -c <&7)" -ne %[2]d ]; then
printf 'tutti: the script arrived incomplete\n' >&2
exit %[1]d
fi
exec 7<&-
if [ ! -e /dev/fd/9 ]; then
printf 'tutti: cannot run a script here: no /dev/fd/9\n' >&2
exit %[1]d
fi
`, failed, s.Size)
}

func (p *prologue) exportAll(b *strings.Builder) {
	secret := 0
	for _, v := range p.task.Env {
		if v.Secret == nil {
			fmt.Fprintf(b, "export %s=%s || exit %d\n", v.Name, quote(v.Value), failed)
			continue
		}
		fmt.Fprintf(b, "export %[1]s=\"$_tutti_%[2]d\" || exit %[3]d\nunset _tutti_%[2]d\n", v.Name, secret, failed)
		secret++
	}
}

// become is the last line. With sudo the login shell is not that of the user
// who asks, and may be one that refuses everything.
func (p *prologue) become() string {
	if s := p.script; s != nil {
		words := make([]string, 0, len(s.Interpreter)+len(s.Args)+1)
		for _, w := range s.Interpreter {
			words = append(words, quote(w))
		}
		words = append(words, "/dev/fd/9")
		for _, w := range s.Args {
			words = append(words, quote(w))
		}
		return "exec " + strings.Join(words, " ")
	}
	if p.task.Sudo != nil {
		return "exec /bin/sh -c " + quote(p.command)
	}
	return `exec "$1" -c ` + quote(p.command)
}
