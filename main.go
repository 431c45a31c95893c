// Command tutti runs a command on many hosts over SSH, at once, and remembers
// what each of them said.
package main

import (
	"os"
	"os/signal"
	"syscall"

	"tutti/cmd"
)

func main() {
	signals := make(chan os.Signal, 8)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		// A signal that is ignored at the start, as nohup does, stays ignored.
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	// A closed stdout is an error of its write, not the end of the process.
	signal.Notify(signals, syscall.SIGPIPE, syscall.SIGUSR1)
	os.Exit(cmd.Main(os.Args[1:], cmd.System(), signals))
}
