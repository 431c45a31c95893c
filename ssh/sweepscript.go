package ssh

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// sweepText looks for what is left of a command, signals it, and says what it
// has found last: the answer and "none" or "left". It runs on a channel of the
// command's own connection, where the server's process for that connection is
// the parent of both. No answer means that nothing is proved.
//
// It takes for the command's everything below that process but itself, and
// everything that carries the mark of the connection in its environment, as
// daemons do that have left their parents. These must be younger than the
// connection: its number was another's before. Nobody shows what has left both
// its parent and its environment, such as a daemon that sudo has started.
//
// Where the parent is not known to serve a single connection nothing is
// touched, for its other children may be anybody's.
//
// The verbs: a sum that is the answer, the signal, how often to look, and 1 if
// the connection has served nothing else.
const sweepText = `
answer=$((%s)) signal=%s looks=%d fresh=%d
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
	read -r l <"/proc/$1/stat" || return
	set -- ${l##*) }
	echo "${20}"
} 2>/dev/null
marks() {
	echo " "$(grep -lszxF "SSH_CONNECTION=$SSH_CONNECTION" /proc/[0-9]*/environ)" "
}
marked() {
	[ -n "$SSH_CONNECTION" ] && [ -n "$since" ] || return
	for f in $(marks); do
		p=${f#/proc/}
		p=${p%%%%/*}
		b=$(born "$p")
		[ -n "$b" ] && [ "$b" -ge "$since" ] && echo "$p"
	done
}
look() {
	table=" "$(echo $(procs))" "
	grow " $top " ''
	self=$set
	grow " $root " "$self"
	tree=$set
	strays=
	for m in $(marked); do
		case "$tree$self" in *" $m "*) continue ;; esac
		case $table in *" $m "*) strays="$strays$m " ;; esac
	done
	[ $fresh = 1 ] && grow "$tree$strays" "$self"
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
since=$(born "$root")
if [ -n "$SSH_CONNECTION" ] && [ -r /proc/self/environ ]; then
	case $(marks) in *" /proc/$$/environ "*) ;; *) exit ;; esac
fi
verdict=left
while :; do
	look
	[ -z "$ours" ] && { [ $fresh = 1 ] || [ -z "$strays" ]; } && { verdict=none; break; }
	[ $looks -gt 0 ] || break
	looks=$((looks - 1))
	[ $signal = KILL ] && hold
	[ -n "$ours" ] && kill -$signal $ours 2>/dev/null
	[ $signal = KILL ] || break
	sleep 0.1 2>/dev/null || sleep 1
done
echo "$answer $verdict"
`

// A sweep is the text of one sweep, with the number that its answer begins
// with.
type sweep struct {
	text   string
	answer int
}

// newSweep is a sweep that signals with name, looks at most so many times, and
// takes for granted that the connection has served nothing but the command if
// fresh is true. A host that merely repeats the text does not answer: the
// number has to be computed.
func newSweep(name string, looks int, fresh bool) sweep {
	a, b := 1000+rand.IntN(1<<20), 1000+rand.IntN(1<<20)
	only := 0
	if fresh {
		only = 1
	}
	return sweep{
		text:   fmt.Sprintf(sweepText, fmt.Sprintf("%d+%d", a, b), name, looks, only),
		answer: a + b,
	}
}

// found reads the answer, which is the last line: login shells may have said
// something before.
func (s sweep) found(said string) remnant {
	said = strings.TrimSpace(said)
	switch said[strings.LastIndexByte(said, '\n')+1:] {
	case fmt.Sprintf("%d none", s.answer):
		return remnantNone
	case fmt.Sprintf("%d left", s.answer):
		return remnantSome
	}
	return remnantUnknown
}
