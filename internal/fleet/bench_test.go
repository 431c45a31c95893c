package fleet

import (
	"testing"

	gossh "golang.org/x/crypto/ssh"
)

// BenchmarkLogin is the floor of what a measurement against the fleet can show:
// a connection, a login and a canned command, both sides in this process.
func BenchmarkLogin(b *testing.B) {
	f := one(b, Host{})
	cfg := f.config()
	b.ReportAllocs()
	for b.Loop() {
		client, err := gossh.Dial("tcp", f.address("a"), cfg)
		if err != nil {
			b.Fatal(err)
		}
		if got := f.runOn(client, "x", nil); got.stdout != "a: x\n" {
			b.Fatalf("got %q, %v", got.stdout, got.err)
		}
		_ = client.Close()
	}
}
