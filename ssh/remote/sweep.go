package remote

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"tutti/fanout"
)

// What a sweep knows of when the command began, beside the host's own number
// for it: with the connection, because that has served nothing else, or nothing.
const (
	// SinceConnection is the beginning of the connection.
	SinceConnection = "connection"
	// SinceUnknown is a time that is not known.
	SinceUnknown = "unknown"
)

// sweepText searches for the remaining processes of a command, signals them, and prints
// what it found last: the answer, then "none" or "left". It runs on a channel of the
// command's own connection, where the server's process for that connection is the
// parent of both. Without an answer nothing is proved.
//
// It takes as the command's every process below that parent except itself, and every
// process that has the connection's SSH_CONNECTION in its environment, as daemons have
// that left their parents. These must be as young as the command: earlier commands on
// the connection may have left daemons, and the process number may have been another's
// before. Of two processes of the same tick the younger has the higher number, counted
// from the command's own and on from the highest to the lowest. If earlier commands
// have left any, a process that leaves its parent now may be theirs, and is not
// signalled.
//
// A process that has left both its parent and its environment, such as a daemon started
// with sudo, cannot be attributed. It is not signalled, but as long as there is one
// that could be the command's (as young, and in the same control groups, which says
// most where systemd gives the login its own), the answer is "left". Where this cannot
// be seen, because there is no /proc or it hides the processes of others, nothing is
// proved.
//
// During its exec a process has no environment, and one that started after the
// processes were listed is in the environments only. As long as one look misses a
// process that the next one sees, nothing is proved.
//
// Where the parent is not known to serve a single connection, nothing is signalled: its
// other children may belong to other sessions.
//
// With signal 0 it only prints the oldest process of the command: its start time in
// ticks, which several processes may share, and its number.
//
// The verbs: a sum that is the answer, the signal, the number of looks, and when the
// command started.
const sweepText = `
answer=$((%s)) signal=%s looks=%d since='%s'
LC_ALL=C; export LC_ALL
stats() {
	for f in /proc/[0-9]*/stat; do
		read -r l <"$f" || continue
		set -- "${l%%%% *}" ${l##*) }
		echo "$1 $3 $2"
	done 2>/dev/null
}
procs() {
	{ ps -A -o pid=,ppid=,stat= 2>/dev/null || stats; } | while read -r p pp st l; do echo "$p $pp $st"; done
}
name() {
	ps -o comm= -p "$1" 2>/dev/null || cat "/proc/$1/comm" 2>/dev/null
}
parent() {
	k=0
	for w in $table; do
		case $k in
		0) p=$w k=1 ;;
		1) k=2; [ "$p" = "$1" ] && { echo "$w"; return; } ;;
		*) k=0 ;;
		esac
	done
}
grow() {
	set=$1
	while :; do
		before=$set k=0
		for w in $table; do
			case $k in
			0) p=$w k=1 ;;
			1) pp=$w k=2 ;;
			*) k=0
				case $set in *" $pp "*) ;; *) continue ;; esac
				case "$set$2" in *" $p "*) continue ;; esac
				set="$set$p " ;;
			esac
		done
		[ "$set" = "$before" ] && return
	done
}
born() {
	b=
	read -r l <"/proc/$1/stat" || return
	set -- ${l##*) }
	b=${20}
} 2>/dev/null
marks() {
	echo " "$(grep -lszxF "SSH_CONNECTION=$SSH_CONNECTION" /proc/[0-9]*/environ)" "
}
young() {
	[ "$b" -gt "$since" ] || [ "$b" -eq "$since" ] && {
		[ "$first" -eq 0 ] || [ $((($1 - first + ${pids:=4194304}) %% pids * 2)) -lt "$pids" ]
	}
}
marked() {
	old= new=
	[ -n "$SSH_CONNECTION" ] && [ -n "$since" ] || return
	for f in $(marks); do
		p=${f#/proc/}
		p=${p%%%%/*}
		born "$p"
		[ -n "$b" ] && [ "$b" -ge "$birth" ] || continue
		case "$self" in *" $p "*) continue ;; esac
		if young "$p"; then new="$new$p "; else old="$old$p "; fi
	done
}
loose() {
	k=0
	for w in $table; do
		case $k in
		0) p=$w k=1 ;;
		1) pp=$w k=2 ;;
		*) k=0
			case $pp$w in 1Z*) continue ;; 1[!0-9]*) ;; *) continue ;; esac
			case "$set$self$others" in *" $p "*) continue ;; esac
			born "$p"
			[ -n "$b" ] && young "$p" || continue
			[ "$(cat "/proc/$p/cgroup" 2>/dev/null)" = "$group" ] || continue
			grep -qszxF "SSH_CONNECTION=$SSH_CONNECTION" "/proc/$p/environ" && return 0
			grep -qsz '^SSH_CONNECTION=.' "/proc/$p/environ" || return 0 ;;
		esac
	done
	return 1
}
look() {
	table=" "$(echo $(procs))" "
	grow " $top " ''
	self=$set
	grow " $root " "$self"
	tree=$set
	marked
	grow " $old" "$tree$self"
	others=$set strays= certain=$sure late=
	[ -z "$old" ] || certain=0
	for m in $new; do
		case "$tree$self$others" in *" $m "*) continue ;; esac
		case $table in *" $m "*) strays="$strays$m " ;; *) late=1 ;; esac
	done
	set=$tree
	[ $certain = 1 ] && grow "$tree$strays" "$self"
	ours= k=0
	for w in $table; do
		case $k in
		0) p=$w k=1 ;;
		1) k=2 ;;
		*) k=0
			case $w in Z*) continue ;; esac
			[ "$p" = "$root" ] && continue
			case $set in *" $p "*) ours="$ours $p" ;; esac ;;
		esac
	done
}
hold() {
	n=0
	while [ $n -lt 4 ]; do
		held=$ours
		kill -STOP $ours 2>/dev/null
		look
		[ "$held" = "$ours" ] && return
		n=$((n + 1))
	done
}
table=$(procs)
top=$$ root=$(parent $$)
while case $(name "$root") in sudo*) :;; *) false;; esac; do
	top=$root root=$(parent "$root")
done
served=$(name "$root")
case ${served##*/} in sshd*|dropbear*) ;; *) exit ;; esac
born "$root"
birth=$b sure=1 first=0
pids=$(cat /proc/sys/kernel/pid_max 2>/dev/null)
case $since in
connection) since=$birth ;;
unknown) since=$birth sure=0 ;;
*) first=${since#* } since=${since%%%% *} ;;
esac
group=$(cat "/proc/$root/cgroup" 2>/dev/null)
if [ -n "$SSH_CONNECTION" ] && [ -r /proc/self/environ ]; then
	case $(marks) in *" /proc/$$/environ "*) ;; *) exit ;; esac
fi
if [ $signal = 0 ]; then
	look
	since= first=
	for p in $ours; do
		born "$p"
		[ -n "$b" ] || continue
		[ -n "$since" ] && young "$p" && continue
		since=$b first=$p
	done
	echo "$answer $since $first"
	exit
fi
seen=
[ -n "$SSH_CONNECTION" ] && [ -n "$since" ] && [ -r /proc/1/stat ] && seen=1
verdict=left
while :; do
	look
	[ -z "$ours$late" ] && { [ $certain = 1 ] || [ -z "$strays" ]; } && [ -n "$seen" ] && ! loose && { verdict=none; break; }
	[ $looks -gt 0 ] || break
	looks=$((looks - 1))
	[ $signal = KILL ] && hold
	[ -n "$ours" ] && kill -$signal $ours 2>/dev/null
	[ $signal = KILL ] || break
	sleep 0.1 2>/dev/null || sleep 1
done
echo "$answer $verdict"
`

// Survivors is what the last look of a sweep has found.
type Survivors int

const (
	// SurvivorsUnknown means that the sweep could not look.
	SurvivorsUnknown Survivors = iota
	// SurvivorsSome means that processes of the command may be left.
	SurvivorsSome
	// SurvivorsNone means that no process of the command is left, which is proved.
	SurvivorsNone
)

// A Sweep is the text of one sweep, with the number that its answer begins with.
type Sweep struct {
	text   string
	answer int
}

// NewSweep makes a sweep that sends the named signal, looks at most looks times, and
// takes the command to have started at since. The host has to compute the answer, so
// that one that merely echoes the text does not count as an answer.
func NewSweep(name string, looks int, since string) Sweep {
	a, b := 1000+rand.IntN(1<<20), 1000+rand.IntN(1<<20)
	return Sweep{
		text:   fmt.Sprintf(sweepText, fmt.Sprintf("%d+%d", a, b), name, looks, since),
		answer: a + b,
	}
}

// Order is s as a host gets it, run by sudo unless that is nil.
func (s Sweep) Order(sudo *fanout.Sudo, pty *fanout.PTY) *Order {
	if sudo == nil {
		return &Order{Task: &fanout.Task{}, Command: loginLine(s.text)}
	}
	o := &Order{Task: &fanout.Task{Sudo: sudo}, Markers: newMarkerReader(), PTY: pty}
	// Another shell, so that the mark is in its environment from the start.
	inner := fmt.Sprintf("printf %%s %s >&2\nexec /bin/sh -c %s", o.Markers.okMarker, quote(s.text))
	o.Command = loginLine(sudoText(sudo, o.Markers, inner))
	return o
}

// Found reads what the sweep has found.
func (s Sweep) Found(said string) Survivors {
	switch s.word(said) {
	case "none":
		return SurvivorsNone
	case "left":
		return SurvivorsSome
	}
	return SurvivorsUnknown
}

// Began reads when the command began, as its host counts.
func (s Sweep) Began(said string) string {
	ticks, pid, _ := strings.Cut(s.word(said), " ")
	if ticks == "" || pid == "" || strings.Trim(ticks+pid, "0123456789") != "" {
		return SinceUnknown
	}
	return ticks + " " + pid
}

// word is the answer, which is the last line: login shells may have said
// something before.
func (s Sweep) word(said string) string {
	said = strings.TrimSpace(said)
	word, ok := strings.CutPrefix(said[strings.LastIndexByte(said, '\n')+1:], fmt.Sprintf("%d ", s.answer))
	if !ok {
		return ""
	}
	return word
}
