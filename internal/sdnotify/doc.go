// Package sdnotify reports the state of this process to the service manager that
// started it: ready, reloading, stopping, alive. The protocol is that of systemd's
// sd_notify(3): datagrams of assignments to the socket that $NOTIFY_SOCKET
// names. It knows nothing of what the process does.
package sdnotify
