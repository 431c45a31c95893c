package remote

import (
	"fmt"
	"strings"

	"tutti/fanout"
	"tutti/internal/sanitize"
)

// sudoText is shell text that runs inner as another user. It first prints its process
// number, that of the group to kill. sudo drops SSH_CONNECTION from the environment, by
// which remaining processes are found; so it is passed as an argument.
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

// SudoWords returns what sudo printed, fit for a message: the lines that begin with
// "sudo:", else the last line, without the command, which sudo quotes when it refuses
// it.
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
