package remote

import (
	"fmt"
	"strings"

	"tutti/fanout"
	"tutti/internal/sanitize"
)

// sudoText is shell text that carries out inner as another user. It says its
// own number first: that of the group that is to be ended if it comes to that.
// sudo drops the mark of the connection from the environment, by which what is
// left of the command is found; it is handed on as an argument.
func sudoText(s *fanout.Sudo, m *MarkerReader, inner string) string {
	how := "-n"
	if s.Password != nil {
		// What sudo remembers of earlier passwords would be luck: it is asked
		// to forget, and asks always or never.
		how = fmt.Sprintf("-k -S -p %s", m.promptMarker)
	}
	inner = "SSH_CONNECTION=$1; [ -z \"$1\" ] || export SSH_CONNECTION; shift\n" + inner
	return fmt.Sprintf("%s\nprintf '%%s;' \"$$\" >&2\nexec sudo %s -u %s -- /bin/sh -c %s sh \"$SSH_CONNECTION\"",
		say(string(m.openMarker)), how, quote(s.User), quote(inner))
}

// SudoWords is what sudo said, fit for a message: the lines it put its name to,
// or else the last, without the command, which a sudo that refuses it quotes.
func SudoWords(said string) string {
	if before, _, quoted := strings.Cut(said, "/bin/sh"); quoted {
		said = strings.TrimRight(before, " '\"‘“`") + " the command"
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	var signed []string
	for _, line := range lines {
		if words, ok := strings.CutPrefix(strings.TrimSpace(line), "sudo: "); ok {
			signed = append(signed, words)
		}
	}
	if len(signed) > 0 {
		return sanitize.Line(strings.Join(signed, "; "), 300)
	}
	return sanitize.Line(lines[len(lines)-1], 300)
}

// Kill is an order that signals the group of a process that o has started by sudo.
// The number is still its own: its end has not been reported.
func (o *Order) Kill(leader, name string) *Order {
	k := &Order{Task: &fanout.Task{Sudo: o.Task.Sudo}, Markers: newMarkerReader(), PTY: o.PTY}
	inner := fmt.Sprintf("%s\nkill -s %s -- -%s", say(string(k.Markers.okMarker)), name, leader)
	k.Command = loginLine(sudoText(o.Task.Sudo, k.Markers, inner))
	return k
}
