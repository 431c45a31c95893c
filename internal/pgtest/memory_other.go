//go:build !linux

package pgtest

import "syscall"

// dieWithTests does nothing: the system knows no such signal.
func dieWithTests(*syscall.SysProcAttr) {}

// memory removes nothing.
func (s *Server) memory() (remove func() error) { return func() error { return nil } }
