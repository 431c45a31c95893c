package nemesis

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"tutti/internal/pgtest"
	"tutti/store"
	"tutti/store/postgres"
	"tutti/store/sqlite"
)

// A place is where a history is kept, and what can happen to it there.
type place struct {
	// of is the history as a daemon of that number knows it.
	of   func(daemon int) string
	open func(*testing.T) (store.Store, error)
	// breaks: a daemon may find no way to the history when it starts.
	breaks bool
	// moves are those against the place.
	moves []move
	// relent undoes what they have left.
	relent func() error
}

// file is a history in a file.
func file(t *testing.T, dir string) *place {
	path := filepath.Join(dir, "history", "history.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	return &place{
		of:     func(int) string { return path },
		open:   func(t *testing.T) (store.Store, error) { return sqlite.Open(t.Context(), path, store.Options{}) },
		relent: func() error { return nil },
	}
}

// impatient has daemons judge one another sooner than they themselves expect, so that what
// they do is refused, and not only what they do not do.
const impatient = `CREATE OR REPLACE FUNCTION is_alive(until timestamptz) RETURNS boolean LANGUAGE sql AS
	$$ SELECT until - interval '9 seconds' > clock_timestamp() $$`

// server is a history in a database that each daemon reaches by a way of its own.
func server(t *testing.T, _ string) *place {
	pg := pgtest.Start(t)
	dsn := pg.NewDatabase(t)
	var ways []*pgtest.Proxy
	for range daemons {
		ways = append(ways, pg.NewProxy(t))
	}
	p := &place{
		breaks: true,
		of:     func(daemon int) string { return ways[daemon].DSN(dsn) },
		open: func(t *testing.T) (store.Store, error) {
			s, err := postgres.Open(t.Context(), dsn, store.Options{})
			if err == nil {
				pg.Exec(t, pgtest.Database(dsn), impatient)
			}
			return s, err
		},
		relent: func() error {
			for _, way := range ways {
				way.Hole(false)
			}
			return nil
		},
	}
	draw := func(n *nemesis) *pgtest.Proxy { return ways[n.rng.IntN(len(ways))] }
	p.moves = []move{
		{"the connections of a daemon break", func(n *nemesis) error {
			draw(n).Cut()
			return nil
		}},
		{"the answer to a commit of a daemon is lost", func(n *nemesis) error {
			draw(n).LoseAnswer("COMMIT", n.rng.IntN(2) == 0)
			return nil
		}},
		{"the way of a daemon is a black hole for a while", func(n *nemesis) error { return n.hide(draw(n), n.between(time.Second, 3*time.Second)) }},
		{"the way of a daemon is a black hole for longer than its lease", func(n *nemesis) error { return n.hide(draw(n), n.between(14*time.Second, 17*time.Second)) }},
		{"the server is killed and started again", func(n *nemesis) error {
			if err := pg.Kill(); err != nil {
				return err
			}
			n.pass(n.between(0, 2*time.Second))
			if err := pg.Start(); err != nil {
				return err
			}
			return eventually(n.connected)
		}},
	}
	return p
}

// connected is an error while the test's own connections are broken.
func (n *nemesis) connected() error {
	for range 20 {
		if _, err := n.history.ListJobs(n.t.Context()); err != nil {
			return err
		}
	}
	return nil
}

// hide makes a black hole of a way.
func (n *nemesis) hide(way *pgtest.Proxy, d time.Duration) error {
	way.Hole(true)
	n.pass(d)
	way.Hole(false)
	return nil
}
