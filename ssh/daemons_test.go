package ssh

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/fanout"
	"tutti/internal/fleet"
	"tutti/internal/sshdtest"
)

// TestSSHDRekeyMidStreamChangesNoByte: keys are renewed dozens of times under one output,
// and not a byte of it is wrong.
func TestSSHDRekeyMidStreamChangesNoByte(t *testing.T) {
	const size = 50_000_000
	b, _ := realBench(t, 1, sshdtest.Options{Config: []string{"RekeyLimit 1M"}}, nil)
	want, got := sha256.New(), sha256.New()
	for n, line := 0, []byte("0123456789 tutti\n"); n < size; n += len(line) {
		want.Write(line[:min(len(line), size-n)])
	}
	task := fanout.Task{Action: fanout.Command(fmt.Sprintf("yes '0123456789 tutti' | head -c %d", size))}
	r := b.Exec(t.Context(), fanout.Attempt{N: 1, Target: b.targets[0]}, task, writerOf(got), io.Discard)
	if r.Failure != nil || r.Exit == nil || !r.Exit.Success() || !r.OutputComplete {
		t.Fatalf("got %+v, want complete output", r)
	}
	if g, w := fmt.Sprintf("%x", got.Sum(nil)), fmt.Sprintf("%x", want.Sum(nil)); g != w {
		t.Errorf("got output with hash %s, want %s", g, w)
	}
}

// writerOf is h as a plain writer.
func writerOf(h hash.Hash) io.Writer { return struct{ io.Writer }{h} }

// TestSSHDForcedCommandEndsAsItEnds: what the server runs instead of the command ends as
// it ends, also where it refuses every user.
func TestSSHDForcedCommandEndsAsItEnds(t *testing.T) {
	tests := []struct {
		name, forced, stdout string
		exit                 fanout.Exit
	}{
		{"another command", `echo instead of "$SSH_ORIGINAL_COMMAND"`, "instead of echo x\n", fanout.Exit{}},
		{"no user may log in", `echo "This account is currently not available."; exit 1`, "This account is currently not available.\n", fanout.Exit{Code: 1}},
		{"nothing there", "exec /nonexistent/shell 2>/dev/null", "", fanout.Exit{Code: 127}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := realBench(t, 1, sshdtest.Options{Config: []string{"ForceCommand " + tt.forced}}, nil)
			r := b.exec(t.Context(), 0, "echo x")
			r.wantExit(t, tt.exit)
			if got := r.stdout.String(); got != tt.stdout {
				t.Errorf("got stdout %q, want %q", got, tt.stdout)
			}
		})
	}
}

// TestSSHDForcedCommandTimesOut: a forced command refuses signals and a sweep, and the wait for it still
// ends.
func TestSSHDForcedCommandTimesOut(t *testing.T) {
	b, _ := realBench(t, 1, sshdtest.Options{Config: []string{"ForceCommand exec sleep 99"}}, nil)
	b.targets[0].Limits.Timeout, b.probeTimeout = 300*time.Millisecond, time.Second
	r := b.exec(t.Context(), 0, "true")
	r.wantOp(t, fanout.OpTimeout, true)
	if got, want := r.Failure.Remote, fanout.RemoteUnknown; got != want {
		t.Errorf("got remote %q, want %q: no sweep was possible", got, want)
	}
}

// TestSSHDNoiseOfALoginIsPassedOn: what a login says before the command, on both streams, does
// not confuse what is in front of the command, and is passed on.
func TestSSHDNoiseOfALoginIsPassedOn(t *testing.T) {
	b, _ := realBench(t, 1, sshdtest.Options{Config: []string{
		`ForceCommand echo noise; printf 'more noise' >&2; exec sh -c "$SSH_ORIGINAL_COMMAND"`,
	}}, nil)
	r := b.task(t.Context(), 0, fanout.Task{
		Action: fanout.Command(`echo "$A $B"; echo err >&2; exit 3`),
		Env:    []fanout.Variable{{Name: "A", Value: "one"}, {Name: "B", Secret: fanout.Secret("two")}},
	})
	r.wantExit(t, fanout.Exit{Code: 3})
	if got, want := r.stdout.String(), "noise\none two\n"; got != want {
		t.Errorf("got stdout %q, want %q", got, want)
	}
	if got, want := r.stderr.String(), "more noiseerr\n"; got != want {
		t.Errorf("got stderr %q, want %q", got, want)
	}
}

// TestBannerOfAMegabyteIsCut: a banner without end costs no more than a page.
func TestBannerOfAMegabyteIsCut(t *testing.T) {
	var mu sync.Mutex
	var told []string
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{Banner: strings.Repeat("\x1b[2Jgo away\n", 1<<20/12)}}}, func(o *Options) {
		o.Banner = func(_, text string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, text)
		}
	})
	r := b.exec(t.Context(), 0, "x")
	r.wantExit(t, fanout.Exit{})
	if got, want := r.stdout.String(), "x\n"; got != want {
		t.Errorf("got stdout %q, want %q", got, want)
	}
	seen := map[string]bool{}
	for _, text := range told {
		if len(text) > 8*maxBanner || strings.Contains(text, "\x1b") || seen[text] {
			t.Errorf("got a banner of %d bytes, want each once, short, with nothing to obey", len(text))
		}
		seen[text] = true
	}
	if len(told) == 0 {
		t.Error("got no banner, want its beginning")
	}
}

// TestSlowServer: a server that takes its time is waited for as long as the
// connect timeout lasts.
func TestSlowServer(t *testing.T) {
	const slow = 200 * time.Millisecond
	b := newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{AcceptDelay: slow, Latency: 20 * time.Millisecond}}}, nil)
	r := b.exec(t.Context(), 0, "x")
	r.wantExit(t, fanout.Exit{})
	if r.Login < slow {
		t.Errorf("got a login in %v, want the server's %v in it", r.Login, slow)
	}
	b = newBench(t, []fleet.Host{{Name: "h", Faults: fleet.Faults{AcceptDelay: patience}}}, nil)
	b.targets[0].Limits.ConnectTimeout = slow
	r = b.exec(t.Context(), 0, "x")
	r.wantOp(t, fanout.OpLogin, false)
	if want := "SSH banner"; !strings.Contains(r.Failure.Message, want) {
		t.Errorf("got %q, want %q", r.Failure.Message, want)
	}
}

// TestSSHDOldAlgorithmsNeedSSHConfig: a server that speaks nothing sound is refused with
// both lists, and reached where ssh_config says so.
func TestSSHDOldAlgorithmsNeedSSHConfig(t *testing.T) {
	const old = "diffie-hellman-group14-sha1"
	b, _ := realBench(t, 1, sshdtest.Options{Config: []string{"KexAlgorithms " + old}}, nil)
	r := b.exec(t.Context(), 0, "true")
	r.wantOp(t, fanout.OpLogin, false)
	for _, want := range []string{old, "curve25519-sha256"} {
		if !r.Failure.Final || !strings.Contains(r.Failure.Message, want) {
			t.Errorf("got %+v, want a final failure with %s", *r.Failure, want)
		}
	}
	if want := CauseAlgorithms; r.Failure.Cause != want {
		t.Errorf("got cause %q, want %q", r.Failure.Cause, want)
	}
	opts := b.opts
	opts.Endpoints = slices.Clone(opts.Endpoints)
	opts.Endpoints[0].KeyExchanges = "+" + old
	execOn(t.Context(), newClient(t, opts), b.targets[0], "true").wantExit(t, fanout.Exit{})
}

// TestSSHDFirstChannelDoesNotWait: the first channel of a connection does not wait for
// an acknowledgement that we delay. What the server itself takes for it is the
// same either way, so both are measured; a server that does not wait, as sshd
// since 10.1, has nothing to gain.
func TestSSHDFirstChannelDoesNotWait(t *testing.T) {
	const n, delayed = 7, 35 * time.Millisecond
	s := sshdtest.Start(t, sshdtest.Options{})
	var quick, usual []time.Duration
	for range n {
		quick = append(quick, firstChannel(t, s, func(c net.Conn) net.Conn { return c }))
		usual = append(usual, firstChannel(t, s, func(c net.Conn) net.Conn { return struct{ net.Conn }{c} }))
	}
	slices.Sort(quick)
	slices.Sort(usual)
	q, u := quick[n/2], usual[n/2]
	if runtime.GOOS == "linux" && u > delayed && q > u*2/3 {
		t.Errorf("got %v for the first channel, and %v without hurry, want far less", q, u)
	}
}

// firstChannel logs in and returns how long the first channel takes. A
// connection that show hides the socket of cannot be hurried.
func firstChannel(t *testing.T, s *sshdtest.Server, show func(net.Conn) net.Conn) time.Duration {
	t.Helper()
	data, err := os.ReadFile(s.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.ParsePrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Dial("tcp", hostPort(s.Addr, s.Port))
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(show(tcp))
	defer w.abort()
	c, channels, requests, err := gossh.NewClientConn(w, s.Addr, &gossh.ClientConfig{
		User: s.User, Auth: []gossh.AuthMethod{gossh.PublicKeys(signer)}, HostKeyCallback: gossh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.loggedIn.Store(true)             // as a login does
	go gossh.DiscardRequests(requests) // ends with the connection
	go func() {
		for range channels { // there are none
		}
	}()
	began := time.Now()
	if _, _, err = c.OpenChannel("session", nil); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}
