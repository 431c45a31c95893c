package nemesis

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/internal/fleet"
)

// A clock is what all processes take for the wall clock: the machine's, and how
// far it was put forward or back, which a file says.
type clock struct{ path string }

// now reads the clock. A file that cannot be read is one that the test has
// removed because it is over.
func (c clock) now() time.Time {
	offset, err := os.ReadFile(c.path)
	if err != nil || len(offset) != 8 {
		return time.Now()
	}
	return time.Now().Add(time.Duration(binary.BigEndian.Uint64(offset)))
}

// put puts the clock forward, or back.
func (c clock) put(by time.Duration) error {
	offset := time.Until(c.now()) + by
	next := c.path + ".next"
	if err := os.WriteFile(next, binary.BigEndian.AppendUint64(nil, uint64(offset)), 0o600); err != nil {
		return err
	}
	return os.Rename(next, c.path)
}

// hosts is how many the fleet has.
const hosts = 3

// A world is where the daemons live.
type world struct {
	dir       string
	place     *place
	inventory string
	known     string
	clock     clock
	fleet     *fleet.Fleet
}

func newWorld(t *testing.T, at func(*testing.T, string) *place) *world {
	dir := t.TempDir()
	w := &world{
		dir:       dir,
		inventory: filepath.Join(dir, "hosts.yaml"),
		known:     filepath.Join(dir, "known_hosts"),
		clock:     clock{filepath.Join(dir, "clock")},
	}
	w.place = at(t, dir)
	key := fleet.NewKey()
	if err := key.WriteFile(filepath.Join(dir, "id_ed25519"), ""); err != nil {
		t.Fatal(err)
	}
	opts := fleet.Options{Authorized: []gossh.PublicKey{key.PublicKey()}, Exec: fleet.HandlerFunc(work)}
	for i := range hosts {
		opts.Hosts = append(opts.Hosts, fleet.Host{Name: fmt.Sprintf("h%d", i+1)})
	}
	f, err := fleet.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // every session has ended by then, or the test has failed
	w.fleet = f
	text := "defaults: {user: tester, identity: id_ed25519, connect_timeout: 1m}\nhosts:\n"
	for _, h := range opts.Hosts {
		address, port := f.Endpoint(h.Name)
		text += fmt.Sprintf("  %s: {address: %s, port: %d}\n", h.Name, address, port)
	}
	for path, content := range map[string]string{w.inventory: text, w.known: string(f.KnownHosts())} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// An errand is what a command was told about itself.
type errand struct {
	job, at, run string
	most         time.Duration // it takes at the most; 0: until it is stopped
}

var (
	octal    = regexp.MustCompile(`\\0([0-7]{3})`)
	variable = regexp.MustCompile(`(TUTTI_[A-Z_]+)='([^']*)'`)
	taking   = regexp.MustCompile(`work ([0-9]+)`)
)

// errandOf reads a command as a shell would; ok is false for one that is not of a
// job, as the sweep after one that was ended.
func errandOf(command string) (e errand, ok bool) {
	text := octal.ReplaceAllStringFunc(command, func(s string) string {
		n, _ := strconv.ParseUint(s[2:], 8, 8) // the pattern lets nothing else in
		return string(rune(n))
	})
	takes := taking.FindStringSubmatch(text)
	if takes == nil {
		return e, false
	}
	ms, _ := strconv.Atoi(takes[1]) // digits
	e.most = time.Duration(ms) * time.Millisecond
	for _, v := range variable.FindAllStringSubmatch(text, -1) {
		switch v[1] {
		case "TUTTI_JOB":
			e.job = v[2]
		case "TUTTI_SCHEDULED_AT":
			e.at = v[2]
		case "TUTTI_RUN":
			e.run = v[2]
		}
	}
	return e, true
}

// work runs a command: it takes its time, or ends when it is stopped.
func work(s *fleet.Session) fleet.Exit {
	e, ok := errandOf(s.Command)
	if !ok {
		return fleet.Exit{Code: 127} // a sweep; there are no processes
	}
	var done <-chan time.Time
	if e.most > 0 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(s.Host + e.job + e.run)) // never fails
		timer := time.NewTimer(time.Duration(h.Sum64() % uint64(e.most)))
		defer timer.Stop()
		done = timer.C
	}
	select {
	case <-done:
		return fleet.Exit{}
	case name := <-s.Signals:
		return fleet.Exit{Signal: name}
	case <-s.Done:
		return fleet.Exit{Signal: "HUP"}
	}
}

// sessions are those of the fleet that ran a command of a job, and an
// error if one of them has not come to its end.
func (w *world) sessions() ([]session, error) {
	var all []session
	for _, r := range w.fleet.Log() {
		e, ok := errandOf(r.Command)
		if !ok || r.Started.IsZero() {
			continue
		}
		if r.Ended.IsZero() {
			return nil, fmt.Errorf("%s still runs job %s, run %s", r.Host, e.job, e.run)
		}
		run, err := strconv.ParseInt(e.run, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s ran %q for no run", r.Host, strings.ToValidUTF8(r.Command, "?"))
		}
		all = append(all, session{
			host: r.Host, job: e.job, run: run, at: e.at, started: r.Started, ended: r.Ended,
			ok: r.Exit != nil && r.Exit.Code == 0 && r.Exit.Signal == "",
		})
	}
	return all, nil
}
