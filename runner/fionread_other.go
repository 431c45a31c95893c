//go:build !linux

package runner

// fionread asks how many bytes can be read at once; it is the same on every BSD.
const fionread = 0x4004667f
