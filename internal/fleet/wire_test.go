package fleet

import (
	"bytes"
	"errors"
	"io"
	"syscall"
	"testing"

	gossh "golang.org/x/crypto/ssh"
)

// TestCutEverywhere cuts a session at many bytes and counts what arrives.
func TestCutEverywhere(t *testing.T) {
	b := one(t, Host{})
	b.run("a", "x")
	total := b.lastConn().Written
	for _, how := range []CutMode{Reset, Finish} {
		for at := int64(0); at < total; at += 61 {
			b.SetFaults("a", Faults{Cut: &Cut{After: at, How: how}})
			wire, err := b.connect("a")
			if at == 0 && how == Reset && errors.Is(err, syscall.ECONNRESET) {
				continue // the reset was there before the client had looked
			}
			if err != nil {
				t.Fatal(err)
			}
			nc := &tap{Conn: wire}
			if client, err := b.handshake(nc, b.config()); err == nil {
				b.runOn(client, "x", nil)
				_ = client.Wait()
			}
			if got := nc.total(); got != at {
				t.Errorf("mode %d: got %d bytes, want %d", how, got, at)
			}
		}
	}
}

func (b *bench) lastConn() ConnRecord {
	b.tb.Helper()
	conns := b.Conns()
	return conns[len(conns)-1]
}

func TestCutAfterPreamble(t *testing.T) {
	b := one(t, Host{Faults: Faults{Preamble: "hello\r\n", Cut: &Cut{After: 3, How: Finish}}})
	if got, err := io.ReadAll(b.tcp("a")); string(got) != "hello\r\nSSH" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCutFromExec(t *testing.T) {
	b := one(t, Host{Exec: Canned(func(string, string) ([]byte, []byte, uint32) {
		return bytes.Repeat([]byte("x"), 100_000), nil, 0
	})})
	var base int64
	for _, after := range []int64{0, 1, 20, 5_000, 50_000} {
		b.SetFaults("a", Faults{Cut: &Cut{After: after, FromExec: true, How: Finish}})
		nc := &tap{Conn: b.tcp("a")}
		client, err := b.handshake(nc, b.config())
		if err != nil {
			t.Fatalf("after %d: %v", after, err)
		}
		got := b.runOn(client, "x", nil)
		if got.err == nil || int64(len(got.stdout)) > after {
			t.Errorf("after %d: got %d bytes of output, %v", after, len(got.stdout), got.err)
		}
		_ = client.Wait()
		if after == 0 {
			base = nc.total()
		}
		if got := nc.total() - base; got != after {
			t.Errorf("got %d bytes from exec on, want %d", got, after)
		}
	}
}

func TestSilence(t *testing.T) {
	struck := make(chan struct{}, 1)
	b := one(t, Host{Faults: Faults{
		Cut:    &Cut{FromExec: true, How: Silence},
		Struck: func() { struck <- struct{}{} },
	}})
	client := b.mustDial("a")
	failed := make(chan error, 1)
	go func() { failed <- b.runOn(client, "x", nil).err }()
	await(t, "silence", struck)
	_ = client.Close()
	if err := await(t, "command", failed); err == nil {
		t.Error("got nil from a silent host")
	}
}

// TestGarble ruins what follows the exec request: the client must notice, since
// nothing that is wrong can be taken for output.
func TestGarble(t *testing.T) {
	for _, after := range []int64{0, 10, 40} {
		b := one(t, Host{Faults: Faults{Cut: &Cut{After: after, FromExec: true, How: Garble}}})
		client := b.mustDial("a")
		if got := b.runOn(client, "x", nil); got.err == nil || got.stdout != "" {
			t.Errorf("after %d: got %q, %v, want nothing and an error", after, got.stdout, got.err)
		}
		if err := client.Wait(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("after %d: got %v, want an error of the transport", after, err)
		}
	}
}

func TestCutNow(t *testing.T) {
	b := one(t, Host{})
	first, second := b.mustDial("a"), b.mustDial("a")
	b.Cut("a", Reset)
	for _, client := range []*gossh.Client{first, second} {
		if err := client.Wait(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want %v", err, syscall.ECONNRESET)
		}
	}
	if got := b.run("a", "x").stdout; got != "a: x\n" {
		t.Errorf("a new connection: got %q", got)
	}
}
