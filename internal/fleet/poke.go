package fleet

import (
	"io"
	"reflect"
	"unsafe"

	gossh "golang.org/x/crypto/ssh"
)

// The library's channels are well-behaved: they send nothing after the end of
// file and always offer the same window. A host that is not must reach into
// them. The tests of these faults fail if the library's fields change.

// setWindow makes a channel that is not accepted yet offer a window of n bytes.
func setWindow(nc gossh.NewChannel, n uint32) { poke(nc, "myWindow", n) }

// forgetEOF lets a channel write after its end of file. No other goroutine may be
// writing to it.
func forgetEOF(ch gossh.Channel) { poke(ch, "sentEOF", false) }

// extended is the stream of extended data of any type.
func extended(ch gossh.Channel, kind uint32) io.Writer {
	return ch.(interface {
		Extended(code uint32) io.ReadWriter
	}).Extended(kind)
}

// poke sets a field of the struct that target points to.
func poke[T any](target any, field string, value T) {
	at := reflect.ValueOf(target).Elem().FieldByName(field)
	*(*T)(unsafe.Pointer(at.UnsafeAddr())) = value
}

// peek returns a field of the struct that target points to.
func peek[T any](target any, field string) T {
	return *(*T)(reflect.ValueOf(target).Elem().FieldByName(field).Addr().UnsafePointer())
}
