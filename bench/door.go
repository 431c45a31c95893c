package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// A door is a listener before a host of the fleet, which records when a connection comes.
type door struct {
	listener net.Listener
	port     int
	known    string // a line of known_hosts
	to       string
	// first has when the first byte of a connection came; a connection that comes while
	// one is there is not noted.
	first chan time.Time
	all   sync.WaitGroup
}

// openDoor opens one before the first host of f.
func openDoor(ctx context.Context, f files) (*door, error) {
	targets, err := os.ReadFile(f.targets())
	if err != nil {
		return nil, err
	}
	known, err := os.ReadFile(f.knownHosts())
	if err != nil {
		return nil, err
	}
	to, _, _ := strings.Cut(string(targets), "\n")
	line, _, _ := strings.Cut(string(known), "\n")
	_, key, _ := strings.Cut(line, " ")
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &door{listener: l, to: to, first: make(chan time.Time, 1)}
	if at, ok := l.Addr().(*net.TCPAddr); ok {
		d.port = at.Port
	}
	d.known = fmt.Sprintf("[127.0.0.1]:%d %s\n", d.port, key)
	d.all.Go(d.accept)
	return d, nil
}

// close closes it, and waits for those who went through.
func (d *door) close() {
	_ = d.listener.Close() // it ends accept
	d.all.Wait()
}

func (d *door) accept() {
	for {
		c, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.all.Go(func() { d.pass(c) })
	}
}

// pass connects a client with the host until one of them is gone.
func (d *door) pass(client net.Conn) {
	defer func() { _ = client.Close() }() // it may be closed
	host, err := net.Dial("tcp", d.to)
	if err != nil {
		return
	}
	defer func() { _ = host.Close() }() // it may be closed
	d.all.Go(func() {
		_, _ = io.Copy(client, host) // until one of them is gone
		_ = client.Close()
	})
	first := make([]byte, 1)
	if _, err := io.ReadFull(client, first); err != nil {
		return
	}
	select {
	case d.first <- time.Now():
	default:
	}
	if _, err := host.Write(first); err == nil {
		_, _ = io.Copy(host, client) // the same
	}
}
