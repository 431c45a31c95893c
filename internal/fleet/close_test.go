package fleet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// alive reports whether a process runs; a zombie does not.
func alive(tb testing.TB, pid int) bool {
	tb.Helper()
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

// files counts the open files of this process.
func files(tb testing.TB) int {
	tb.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Fatal(err)
	}
	return len(list)
}

func TestCloseLeavesNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	goroutines, open := runtime.NumGoroutine(), files(t)

	key := NewKey()
	f, err := Start(Options{
		Authorized: []gossh.PublicKey{key.PublicKey()},
		Latency:    time.Millisecond,
		Hosts: []Host{
			{Name: "a"},
			{Name: "down", Down: true},
			{Name: "held", Exec: echo, Faults: Faults{Hold: Forever}},
			{Name: "silent", Faults: Faults{Stall: StepVersion}},
			{Name: "flood", Exec: echo, Faults: Faults{Flood: Forever}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Fleet: f, tb: t, key: key}
	client := b.mustDial("a")
	// One in the foreground, one in the background without output, one in a
	// session of its own that ignores what it can.
	const command = `trap '' TERM HUP
		sleep 300 >/dev/null 2>&1 & echo $!
		setsid sh -c 'trap "" TERM HUP; echo $$; exec sleep 300 >/dev/null 2>&1' &
		echo $$; wait`
	ch := b.talk(client)
	ch.exec(command)
	lines := bufio.NewScanner(ch)
	var pids []int
	for len(pids) < 3 && lines.Scan() {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("got %q, want a process number", lines.Text())
		}
		pids = append(pids, pid)
	}
	// A command whose leader is gone and whose child holds nothing.
	left := b.runOn(client, "sleep 300 >/dev/null 2>&1 </dev/null & echo $!", nil)
	pid, err := strconv.Atoi(strings.TrimSpace(left.stdout))
	if err != nil {
		t.Fatalf("got %q, %v", left.stdout, left.err)
	}
	pids = append(pids, pid)
	for _, pid := range pids {
		if !alive(t, pid) {
			t.Errorf("process %d is gone before Close", pid)
		}
	}
	b.talk(b.mustDial("held")).exec("x")
	b.talk(b.mustDial("flood")).exec("x")
	silent := b.tcp("silent")
	if _, err := bufio.NewReader(silent).ReadString('\n'); err != nil {
		t.Fatal(err)
	}

	for range 2 {
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	for _, pid := range pids {
		if alive(t, pid) {
			t.Errorf("process %d is left", pid)
		}
	}
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("directory %s is left", left[0].Name())
	}
	_ = silent.Close()
	_ = client.Wait()
	settle(t, "goroutines", goroutines, runtime.NumGoroutine)
	settle(t, "files", open, func() int { return files(t) })
}

// settle waits until a count is back where it was. The clients of the test need
// a moment to notice; what is left for good never gets there.
func settle(tb testing.TB, what string, want int, count func() int) {
	tb.Helper()
	for limit := time.Now().Add(patience); count() > want; runtime.Gosched() {
		if time.Now().After(limit) {
			buf := make([]byte, 1<<20)
			tb.Fatalf("got %d %s, want %d\n%s", count(), what, want, buf[:runtime.Stack(buf, true)])
		}
	}
}

// TestProcessOutlivesConnection shows what a client has to do more than hang up.
func TestProcessOutlivesConnection(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	b := start(t, Options{Hosts: []Host{{Name: "a"}}})
	client := b.mustDial("a")
	ch := b.talk(client)
	ch.exec("mkfifo go; echo $$; read x <go; echo survived >proof; exec sleep 300")
	line, err := bufio.NewReader(ch).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	got := b.run("a", "echo >go; until test -s proof; do sleep 0.01; done; cat proof")
	if got.stdout != "survived\n" || !alive(t, pid) {
		t.Errorf("got %q, %v, alive %v", got.stdout, got.err, alive(t, pid))
	}
	_ = b.Close()
	if alive(t, pid) {
		t.Errorf("process %d is left", pid)
	}
}

// TestBackgroundHoldsOutput shows an exit status that comes before the end of
// the output.
func TestBackgroundHoldsOutput(t *testing.T) {
	b := start(t, Options{Hosts: []Host{{Name: "a"}}})
	ch := b.talk(b.mustDial("a"))
	ch.exec("mkfifo go; (read x <go; echo late) & echo early")
	if kind, _ := ch.end(); kind != "exit-status" {
		t.Errorf("got %q, want exit-status", kind)
	}
	if got := b.run("a", "echo >go"); got.err != nil {
		t.Error(got.err)
	}
	if stdout, _ := ch.all(); stdout != "early\nlate\n" {
		t.Errorf("got %q", stdout)
	}
}

func TestSeparate(t *testing.T) {
	b := start(t, Options{separate: true, Exec: echo, Hosts: []Host{{Name: "a"}, {Name: "b"}}})
	if b.address("a") == b.address("b") {
		t.Errorf("both at %s", b.address("a"))
	}
	for _, name := range []string{"a", "b"} {
		if got := b.run(name, "x").stdout; got != name+": x\n" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestStartErrors(t *testing.T) {
	tests := []struct {
		name string
		opts Options
		want string
	}{
		{name: "no name", opts: Options{Hosts: []Host{{}}}, want: `host name ""`},
		{name: "path", opts: Options{Hosts: []Host{{Name: "a/b"}}}, want: `'/' is not allowed`},
		{name: "parent", opts: Options{Hosts: []Host{{Name: ".."}}}, want: `host name ".."`},
		{name: "twice", opts: Options{Hosts: []Host{{Name: "a"}, {Name: "a"}}}, want: `host "a" is there twice`},
		{name: "no address", opts: Options{Hosts: []Host{{Name: "a", Addr: "x"}}}, want: `host "a": address "x"`},
		{name: "network", opts: Options{Hosts: []Host{{Name: "a", Addr: "192.0.2.1"}}}, want: "not in 127.0.0.0/8"},
		{name: "taken", opts: Options{Hosts: []Host{{Name: "a", Addr: "127.0.0.9"}, {Name: "b", Addr: "127.0.0.9"}}}, want: `also that of "a"`},
		{name: "port", opts: Options{separate: true, Port: 22, Hosts: []Host{{Name: "a"}}}, want: "port 22"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, err := Start(test.opts)
			if err == nil {
				_ = f.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestUnauthorized(t *testing.T) {
	f, err := Start(Options{Exec: echo, Hosts: []Host{{Name: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	b := &bench{Fleet: f, tb: t, key: NewKey()}
	if _, err := b.dial("a"); err == nil {
		t.Error("got in without a key being authorized")
	}
	open := start(t, Options{Exec: echo, AnyKey: true, Hosts: []Host{{Name: "a"}}})
	open.key = NewKey()
	if got := open.run("a", "x").stdout; got != "a: x\n" {
		t.Errorf("any key: got %q", got)
	}
}

// from is a connection between two addresses.
type from struct {
	net.Conn
	local, remote string
}

func (c from) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.local)) }

func (c from) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.remote))
}

func TestAdmit(t *testing.T) {
	home := &host{}
	tests := []struct {
		name          string
		local, remote string
		want          bool
	}{
		{name: "loopback", local: "127.1.0.1:22", remote: "127.0.0.1:5000", want: true},
		{name: "mapped", local: "[::ffff:127.1.0.1]:22", remote: "127.0.0.1:5000", want: true},
		{name: "to the network", local: "192.0.2.1:22", remote: "127.0.0.1:5000"},
		{name: "from the network", local: "127.1.0.1:22", remote: "192.0.2.9:5000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := admit(from{local: test.local, remote: test.remote}, func(a netip.Addr) *host {
				if a != netip.MustParseAddr("127.1.0.1") {
					t.Errorf("got %v, want 127.1.0.1", a)
				}
				return home
			})
			if (got != nil) != test.want {
				t.Errorf("got %v, want %v", got != nil, test.want)
			}
		})
	}
}

// TestNoHostThere dials the fleet's port where no host is: at an address of
// loopback, and at one of the machine's own, if it has any.
func TestNoHostThere(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("hosts have ports of their own")
	}
	b := one(t, Host{})
	_, port := b.Endpoint("a")
	addresses := []string{"127.200.200.200"}
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range own {
		if ip, ok := addr.(*net.IPNet); ok && !ip.IP.IsLoopback() && ip.IP.To4() != nil {
			addresses = append(addresses, ip.IP.String())
		}
	}
	for _, addr := range addresses {
		nc, err := net.DialTimeout("tcp", net.JoinHostPort(addr, strconv.Itoa(port)), patience)
		if err != nil {
			continue // not even let in
		}
		_ = nc.SetDeadline(time.Now().Add(patience))
		got, err := io.ReadAll(nc)
		_ = nc.Close()
		if len(got) != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: got %q, %v, want a closed connection", addr, got, err)
		}
	}
	if got := len(b.Conns()); got != 0 {
		t.Errorf("got %d connections logged, want none", got)
	}
}

func TestKeyFile(t *testing.T) {
	for _, passphrase := range []string{"", "sesame"} {
		path := filepath.Join(t.TempDir(), "id")
		key := NewKey()
		if err := key.WriteFile(path, passphrase); err != nil {
			t.Fatal(err)
		}
		if err := key.WriteFile(path, passphrase); !errors.Is(err, os.ErrExist) {
			t.Errorf("again: got %v, want %v", err, os.ErrExist)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("got %v, %v, want mode 0600", info.Mode(), err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := gossh.ParsePrivateKey(data)
		if passphrase != "" {
			if _, ok := errors.AsType[*gossh.PassphraseMissingError](err); !ok {
				t.Errorf("got %v, want a key that needs its passphrase", err)
			}
			signer, err = gossh.ParsePrivateKeyWithPassphrase(data, []byte(passphrase))
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := gossh.MarshalAuthorizedKey(signer.PublicKey()); string(got) != string(key.AuthorizedKey()) {
			t.Errorf("got %s, want %s", got, key.AuthorizedKey())
		}
	}
}

// TestHostsCostNothing starts more hosts than goroutines would do for.
func TestHostsCostNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	hosts := make([]Host, 5000)
	for i := range hosts {
		hosts[i].Name = fmt.Sprintf("h%d", i)
	}
	b := start(t, Options{Exec: echo, Hosts: hosts})
	if got := runtime.NumGoroutine() - before; got > 2 && runtime.GOOS == "linux" {
		t.Errorf("got %d goroutines for %d hosts, want at most 2", got, len(hosts))
	}
	if got := b.run("h4999", "x").stdout; got != "h4999: x\n" {
		t.Errorf("got %q", got)
	}
}
