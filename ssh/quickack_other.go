//go:build !linux

package ssh

import "net"

// A quickAck does nothing here: the system has no such setting.
type quickAck struct{}

func newQuickAck(net.Conn) quickAck { return quickAck{} }

func (*quickAck) rearm() {}
