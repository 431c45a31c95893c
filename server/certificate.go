package server

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A Certificate is read from its files again when they have changed.
type Certificate struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	looked  time.Time
	// seen is the state of the files of current, or of those that could not be read.
	seen [2]time.Time
}

// lookEvery is how often the files are looked at, at most.
const lookEvery = time.Second

// LoadCertificate reads a certificate and its key.
func LoadCertificate(cert, key string, log *slog.Logger) (*Certificate, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Certificate{cert: cert, key: key, log: log}
	c.seen = c.changed()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	c.current, c.looked = &pair, time.Now()
	return c, nil
}

// Config is how connections are made with it.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now(), nil },
	}
}

// now is the certificate that is in the files; the one before, if they cannot be
// read.
func (c *Certificate) now() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < lookEvery {
		return c.current
	}
	c.looked = time.Now()
	seen := c.changed()
	if seen == c.seen {
		return c.current
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil { // one of the two may not have been replaced yet
		c.log.Warn("cannot read the new certificate, and keep the one before", "error", err)
		return c.current
	}
	c.current, c.seen = &pair, seen
	c.log.Info("read the certificate again", "file", c.cert)
	return c.current
}

// changed is when the files were written.
func (c *Certificate) changed() (at [2]time.Time) {
	for i, path := range []string{c.cert, c.key} {
		if info, err := os.Stat(path); err == nil {
			at[i] = info.ModTime()
		}
	}
	return at
}
