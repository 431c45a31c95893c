#!/bin/sh
# A program from before there was _meta.
case "$1" in
--list) echo '{"old": ["o1", "o2", "o3"]}' ;;
--host)
	case "$2" in
	o1) echo '{"ansible_host": "203.0.113.1"}' ;;
	*) echo '{}' ;;
	esac
	;;
esac
