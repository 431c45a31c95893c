package soak

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/internal/fleet"
)

var (
	wantSessions = flag.Int("sessions", 200, "how many sessions the soak takes at least")
	seed         = flag.Uint64("seed", 0, "what faults and moments are drawn from; 0: the clock")
)

const (
	// lanes is how many processes go out to hosts at the same time.
	lanes = 4
	// laneHosts is how many hosts each of them goes out to; one more is the
	// bastion.
	laneHosts = 100
	// patience bounds what must happen at some time; nothing waits for it to
	// pass.
	patience = time.Minute
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(childMain())
	}
	os.Exit(m.Run())
}

// A soak is the fleet, and what is shared by all who go out to it.
type soak struct {
	t     *testing.T
	fleet *fleet.Fleet
	// quick and slow are where hosts run real commands: those that end, and
	// those that have to be ended.
	quick, slow string
	history     string
	knownHosts  string
	identity    string

	mu      sync.RWMutex // guards what follows
	scripts map[string]*script
	counts  counts
	errors  int
}

// TestSoak: whatever goes wrong, the history says of every host what truly
// happened there, and nothing is left behind.
func TestSoak(t *testing.T) {
	from := *seed
	if from == 0 {
		from = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", from)
	before := resources()
	s := newSoak(t)
	s.run(from)
	if err := s.fleet.Close(); err != nil {
		t.Error(err)
	}
	for _, leak := range before.leaks() {
		t.Errorf("left here: %s", leak)
	}
	for _, p := range s.processes("") {
		t.Errorf("left running: %s", p)
	}
	s.checkFiles()
	t.Log(s.counts.String())
	if got := s.counts.sessions; got < *wantSessions {
		t.Errorf("got %d sessions, want at least %d", got, *wantSessions)
	}
	s.counts.checkVariety(t)
}

func newSoak(t *testing.T) *soak {
	dir := t.TempDir()
	s := &soak{
		t:          t,
		quick:      filepath.Join(dir, "quick"),
		slow:       filepath.Join(dir, "slow"),
		history:    filepath.Join(dir, "history", "history.db"),
		knownHosts: filepath.Join(dir, "known_hosts"),
		identity:   filepath.Join(dir, "id_ed25519"),
		scripts:    map[string]*script{},
		counts:     counts{outcomes: map[string]map[string]int{}},
	}
	for _, d := range []string{s.quick, s.slow, filepath.Dir(s.history)} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.slow, "slow"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	key := fleet.NewKey()
	if err := key.WriteFile(s.identity, ""); err != nil {
		t.Fatal(err)
	}
	opts := fleet.Options{Authorized: []gossh.PublicKey{key.PublicKey()}, Exec: s.handler()}
	for lane := range lanes {
		opts.Hosts = append(opts.Hosts, hostsOf(lane)...)
	}
	f, err := fleet.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // for those who fail before the end
	if err := os.WriteFile(s.knownHosts, f.KnownHosts(), 0o600); err != nil {
		t.Fatal(err)
	}
	s.fleet = f
	return s
}

// hostsOf returns the hosts of a lane, its bastion first.
func hostsOf(lane int) []fleet.Host {
	hosts := []fleet.Host{{Name: fmt.Sprintf("gate%d", lane), Forward: true}}
	for i := range laneHosts {
		h := fleet.Host{Name: fmt.Sprintf("l%d-h%03d", lane, i), Down: i%16 == 15}
		if i%3 == 0 {
			h.Crypto.RekeyThreshold = 16 << 10
		}
		hosts = append(hosts, h)
	}
	return hosts
}

// run lets the lanes go out again and again until there were enough sessions.
func (s *soak) run(from uint64) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for number := range lanes {
		l := &lane{
			soak:   s,
			number: number,
			rng:    rand.New(rand.NewPCG(from, uint64(number))),
			gate:   fmt.Sprintf("gate%d", number),
		}
		for _, h := range hostsOf(number)[1:] {
			l.hosts = append(l.hosts, h.Name)
			l.down = append(l.down, h.Down)
		}
		wg.Go(func() {
			for round := 0; s.wants(); round++ {
				if err := l.round(round); err != nil {
					s.errorf("lane %d, round %d: %v", number, round, err)
					return
				}
			}
		})
	}
}

// maxErrors is how many are told before the soak gives up.
const maxErrors = 20

// wants reports whether another round is needed.
func (s *soak) wants() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.counts.sessions < *wantSessions && s.errors < maxErrors && s.t.Context().Err() == nil
}

func (s *soak) errorf(format string, args ...any) {
	s.t.Helper()
	s.mu.Lock()
	s.errors++
	s.mu.Unlock()
	s.t.Errorf(format, args...)
}

// checkFiles: beside the history there is what belongs to it, and nothing else.
func (s *soak) checkFiles() {
	entries, err := os.ReadDir(filepath.Dir(s.history))
	if err != nil {
		s.t.Error(err)
	}
	ours := map[string]bool{"history.db": true, "history.db.lock": true, "history.db-wal": true, "history.db-shm": true}
	for _, e := range entries {
		if !ours[e.Name()] {
			s.t.Errorf("left beside the history: %s", e.Name())
		}
	}
}

// onLinux reports whether there is a /proc to look at.
func onLinux() bool { return runtime.GOOS == "linux" }
