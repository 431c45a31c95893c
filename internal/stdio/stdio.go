// Package stdio knows which of the standard streams were closed when the process
// started, as by ">&-" in a shell. The Go runtime puts /dev/null in their place,
// so that what is written there would look as if it had been shown.
package stdio

// extern int stdio_closed;
import "C"

// Closed reports whether the standard stream with the descriptor fd, 0 to 2, was
// closed.
func Closed(fd int) bool { return C.stdio_closed&(1<<fd) != 0 }
