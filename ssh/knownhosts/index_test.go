package knownhosts

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
	goknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"tutti/internal/fleet"
	"tutti/internal/hostkeys"
	"tutti/internal/keytest"
	"tutti/internal/sshdtest"
)

// lines are the numbers of the lines that are about name, whatever they say.
func (k *index) lines(name string) []int {
	var found []int
	for _, key := range slices.Concat(k.plain(name), k.scan(name)) {
		found = append(found, key.line)
	}
	marked := slices.Collect(func(yield func(nameMatch) bool) {
		for _, a := range k.authorities {
			yield(a.nameMatch)
		}
		for _, matches := range k.revoked {
			for _, m := range matches {
				yield(m)
			}
		}
	})
	for _, m := range marked {
		if !m.match(name) {
			continue
		}
		switch m := m.(type) {
		case globLine:
			found = append(found, m.key.line)
		case hashedLine:
			found = append(found, m.key.line)
		}
	}
	slices.Sort(found)
	return found
}

// TestIndexAgreesWithKeygen asks ssh-keygen which lines of random files are about
// random names.
func TestIndexAgreesWithKeygen(t *testing.T) {
	keygen := sshdtest.Tool(t, "ssh-keygen")
	r := rand.New(rand.NewPCG(13, 13))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	name := func() string {
		host := pick("a", "b", "web1", "web2", "web1.fra", "web2.fra", "db.x", "10.0.0.1", "10.0.0.2", "2001:db8::1")
		return pick(host, host, "["+host+"]:2222")
	}
	field := func() string {
		switch r.IntN(4) {
		case 0:
			return goknownhosts.HashHostname(name())
		case 1:
			return pick("*.fra", "web?", "*", "10.0.*", "[*]:2222", "web*,!web1*", "!db.x,*.x", "[web?.fra]:*", "!a")
		case 2:
			return strings.ToUpper(name()) + "," + name()
		}
		return name()
	}
	key := keytest.Numbered(t, 1)
	for round := range 5 {
		var content strings.Builder
		for range 40 {
			content.WriteString(pick("", "", "", "@cert-authority ", "@revoked "))
			content.WriteString(keytest.Line(field(), key))
		}
		file := keytest.KnownHosts(t, content.String())
		k := newIndex()
		k.add(file, []byte(content.String()), func(w string) { t.Error(w) })
		for range 20 {
			n := name()
			out, _ := exec.Command(keygen, "-F", n, "-f", file).Output() // 1 if there is none
			var want []int
			for l := range strings.Lines(string(out)) {
				if _, found, ok := strings.Cut(l, "found: line "); ok {
					number, err := strconv.Atoi(strings.Fields(found)[0])
					if err != nil {
						t.Fatal(err)
					}
					want = append(want, number)
				}
			}
			if got := k.lines(n); !slices.Equal(got, want) {
				t.Errorf("round %d, %s: got lines %v, want %v, as ssh-keygen says, of\n%s", round, n, got, want, content.String())
			}
		}
	}
}

// TestTenThousandHashedLinesAreCheap: a run over ten thousand known hosts costs less
// than a second of CPU for looking them up.
func TestTenThousandHashedLinesAreCheap(t *testing.T) {
	const hosts = 10_000
	var content bytes.Buffer
	blobs := make([]string, hosts)
	for i := range hosts {
		// What is looked up is a string of bytes; making real keys takes longer
		// than the whole test.
		key := slices.Concat([]byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"), fmt.Appendf(nil, "%032d", i))
		blobs[i] = string(key)
		content.WriteString(goknownhosts.HashHostname(fmt.Sprintf("host%d", i)) + " ssh-ed25519 " + encode(key) + "\n")
	}
	file := keytest.KnownHosts(t, content.String())
	before := cpu(t)
	h := Open([]string{file}, func(w string) { t.Error(w) })
	for i, blob := range blobs {
		host := Host{Address: fmt.Sprintf("host%d", i), Port: 22}
		if got := h.Algorithms(host, nil, Preferred)[0]; got != gossh.KeyAlgoED25519 {
			t.Fatalf("host %d: got algorithm %s first, want that of the keys", i, got)
		}
		if h.classify(host.names(), blob).verdict != Known {
			t.Fatalf("host %d is not found", i)
		}
	}
	if took := cpu(t) - before; took > time.Second {
		t.Errorf("got %v of CPU, want less than a second", took)
	}
}

// patience is how long a test waits for what has to come.
const patience = time.Minute

func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// learnHosts is how many hosts each process of TestProcessesLearnHostsAtOnce learns.
const learnHosts = 60

// TestProcessesLearnHostsAtOnce: processes that learn the same hosts at once lose nothing
// and write nothing twice.
func TestProcessesLearnHostsAtOnce(t *testing.T) {
	const learner = "TUTTI_TEST_LEARN"
	if file := os.Getenv(learner); file != "" {
		learn(t, file)
		return
	}
	file := filepath.Join(t.TempDir(), "known_hosts")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestProcessesLearnHostsAtOnce$")
			cmd.Env = append(os.Environ(), learner+"="+file)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("a process that learns: %v\n%s", err, out)
			}
		})
	}
	wg.Wait()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for l := range strings.Lines(string(data)) {
		got = append(got, l)
	}
	for i := range learnHosts {
		want = append(want, keytest.Line(fmt.Sprintf("h%d", i), keytest.Numbered(t, i)))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %d lines, want %d, one for each host:\n%s", len(got), len(want), data)
	}
}

func learn(t *testing.T, file string) {
	h := Open([]string{file}, func(w string) { t.Error(w) })
	var wg sync.WaitGroup
	for i := range learnHosts {
		wg.Go(func() {
			e := Host{Address: fmt.Sprintf("h%d", i), Port: 22, Mode: hostkeys.AcceptNew}
			if err := h.Check(t.Context(), e, keytest.Numbered(t, i), true); err != nil {
				t.Errorf("%s: %v", e.Address, err)
			}
		})
	}
	wg.Wait()
}

// FuzzKnownHostsLine: whatever a line is, it is either refused or about the
// hosts it names and no others that come from nowhere.
func FuzzKnownHostsLine(f *testing.F) {
	key := fleet.NewKey().PublicKey()
	for _, seed := range []string{
		keytest.Line("web1,web2", key), keytest.Line("*.fra,!x", key), "@cert-authority " + keytest.Line("*", key),
		"@revoked " + keytest.Line(goknownhosts.HashHostname("h"), key), "|1|==|== ssh-ed25519 AAAA", "[h]:22 x y",
	} {
		f.Add(seed, "web1")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		k := newIndex()
		warned := 0
		k.add("f", []byte(text), func(string) { warned++ })
		if lines := strings.Count(text, "\n") + 1; warned > lines {
			t.Errorf("got %d warnings of %d lines", warned, lines)
		}
		for _, key := range k.plain(name) {
			if key.line < 1 || !strings.Contains(key.blob, key.kind) {
				t.Errorf("got line %d with a key of type %q, want one that was read", key.line, key.kind)
			}
		}
		n := hostNames{full: []string{name}}
		k.classify(n, "blob")
		k.vouched(n)
	})
}

// TestHalfALineIsWaitedFor: a line that another process is just writing is waited for.
func TestHalfALineIsWaitedFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "known_hosts")
	writer, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	if err := lock(t.Context(), writer); err != nil {
		t.Fatal(err)
	}
	whole := keytest.Line("h0", keytest.Numbered(t, 0))
	if _, err := writer.WriteString(whole[:len(whole)/2]); err != nil {
		t.Fatal(err)
	}
	type result struct {
		data []byte
		err  error
	}
	read := make(chan result)
	go func() {
		data, err := readUnlocked(file, patience)
		read <- result{data, err}
	}()
	select {
	case r := <-read:
		t.Fatalf("got %q, %v, while the line is written", r.data, r.err)
	case <-time.After(20 * time.Millisecond): // it has had the time to be wrong
	}
	if _, err := writer.WriteString(whole[len(whole)/2:]); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if r := <-read; r.err != nil || string(r.data) != whole {
		t.Errorf("got %q, %v, want the whole line", r.data, r.err)
	}
}

// TestBadLinesAreOneWarning checks what is said of lines that cannot be read: the
// first, and how many there are.
func TestBadLinesAreOneWarning(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"none", "# a comment\n\n", ""},
		{"one", "# a comment\nweb1\n", "f:2: not a host, a key type and a key; the line is ignored"},
		{"two", "web1\n\nweb2\n", "f: 2 lines are ignored: line 1: not a host, a key type and a key; line 3: not a host, a key type and a key"},
		{"many", strings.Repeat("web1 x\n", 40), "f: 40 lines are ignored: line 1: not a host, a key type and a key; " +
			"line 2: not a host, a key type and a key; line 3: not a host, a key type and a key; and 37 more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var warnings []string
			h := Open([]string{"f"}, func(w string) { warnings = append(warnings, w) })
			h.load(func(string) ([]byte, error) { return []byte(tt.text), nil })
			if got := strings.Join(warnings, "\n"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
