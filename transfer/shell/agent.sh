export LC_ALL=C
umask 077
unset CDPATH
# An answer goes between two lines that nothing else on this stream can hold.
temp=
trap '[ -z "$temp" ] || rm -f -- "$temp"' EXIT
trap 'exit 1' HUP INT TERM
stat_how=
if stat -c %f / >/dev/null 2>&1; then stat_how=gnu
elif stat -f %p / >/dev/null 2>&1; then stat_how=bsd
fi
look() { # PATH [-L]
	case $stat_how in
	gnu) stat $2 -c 'gnu %f %s %Y %u %g /' -- "$1" ;;
	bsd) stat $2 -f 'bsd %p %z %m %u %g /' -- "$1" ;;
	*) ls -ldn $2 -- "$1" ;;
	esac
}
list() { # DIR
	cd -- "$1" || return
	case $stat_how in
	gnu) find . ! -name . -prune -exec stat -c 'gnu %f %s %Y %u %g %n/' -- {} + ;;
	bsd) find . ! -name . -prune -exec stat -f 'bsd %p %z %m %u %g %N/' -- {} + ;;
	*) find . ! -name . -prune -exec ls -ldn {} \; ;;
	esac
}
listed() { (list "$1"); }
sums() {
	if command -v sha256sum >/dev/null 2>&1; then sha256sum -- "$@"
	elif command -v shasum >/dev/null 2>&1; then shasum -a 256 -- "$@"
	else return 127
	fi
}
# swap puts what is at $1 at the place $2, where a directory stays.
swap() {
	if [ -d "$2" ] && [ ! -L "$2" ]; then
		echo 'a directory is in its place'
		return 1
	fi
	mv -fT -- "$1" "$2" 2>/dev/null && return
	if [ -L "$2" ] && [ -d "$2" ]; then rm -f -- "$2"; fi
	mv -f -- "$1" "$2"
}
sync_file() {
	dd if=/dev/null of="$1" count=0 conv=notrunc,fsync 2>/dev/null || sync "$1" 2>/dev/null || sync
}
put() { # PATH TEMP SIZE MODE TIME OWNER KEEP BACKUP
	temp=$2
	receive "$3" || { rm -f -- "$2"; temp=; return 1; }
	ready "$@" && { [ -z "$8" ] || back_up "$1" "$2" "$8"; } && sync_file "$2" && swap "$2" "$1"
	set -- $? "$2"
	[ "$1" -eq 0 ] || rm -f -- "$2"
	temp=
	return "$1"
}
# receive reads $1 bytes into $temp, all of them whatever happens, or what comes next
# would be understood wrongly.
receive() {
	if ! (set -C; : >"$temp") 2>/dev/null; then
		say=$( (set -C; : >"$temp") 2>&1 )
		head -c "$1" >/dev/null
		printf '%s\n' "$say"
		return 1
	fi
	[ "$1" -eq 0 ] || head -c "$1" | { cat >"$temp" || { cat >/dev/null; exit 1; }; } || return 1
	if [ "$(wc -c <"$temp")" -ne "$1" ]; then
		echo 'it arrived incomplete'
		return 1
	fi
}
ready() {
	[ -z "$7" ] || chown -- "$7" "$2" 2>/dev/null || :
	adorn "$2" "$4" "$5" "$6"
}
adorn() { # PATH MODE TIME OWNER
	[ -z "$4" ] || chown -- "$4" "$1" || return
	[ -z "$2" ] || chmod "$2" "$1" || return
	[ -z "$3" ] || TZ=UTC0 touch -t "$3" -- "$1"
}
back_up() { # PATH TEMP BACKUP
	[ -f "$1" ] || return 0
	ln -f -- "$1" "$2~" 2>/dev/null || cp -p -- "$1" "$2~" || return
	swap "$2~" "$3" || { rm -f -- "$2~"; return 1; }
	rm -f -- "$2~"
}
link() { # PATH TEMP TEXT
	ln -s -- "$3" "$2" || return
	swap "$2" "$1" || { rm -f -- "$2"; return 1; }
}
get() { # PATH LAST MOST
	if [ -d "$1" ]; then echo 'it is a directory'; return 1; fi
	if [ ! -r "$1" ]; then cat -- "$1"; return 1; fi
	part "$@" 2>/dev/null || return 2
}
part() {
	if [ "$2" -gt 0 ] && [ "$3" -gt 0 ]; then tail -c "$2" -- "$1" | head -c "$3"
	elif [ "$2" -gt 0 ]; then tail -c "$2" -- "$1"
	elif [ "$3" -gt 0 ]; then head -c "$3" -- "$1"
	else cat -- "$1"
	fi
}
IFS= read -r request && [ "$request" = hello ] && printf '\n%s\n' "$mark ready" || exit
while IFS= read -r request; do
	printf '\n%s begin\n' "$mark"
	eval "$(printf %b "$request")" 2>&1
	printf '\n%s end %s\n' "$mark" "$?"
done
