// Package sdnotify tells the service manager that has started this process how
// it is: ready, reloading, stopping, alive. The protocol is that of systemd's
// sd_notify(3): datagrams of assignments to the socket that $NOTIFY_SOCKET
// names. It knows nothing of what the process does.
package sdnotify
