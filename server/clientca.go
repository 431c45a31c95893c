package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A ClientCA has the authorities whose certificates say who a client is. It is read from its
// file again when that has changed.
type ClientCA struct {
	file string
	log  *slog.Logger

	mu      sync.Mutex // guards what follows
	pool    *x509.CertPool
	looked  time.Time
	changed time.Time
}

var errNoCertificate = errors.New("it has no certificate")

// LoadClientCA reads authorities.
func LoadClientCA(file string, log *slog.Logger) (*ClientCA, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &ClientCA{file: file, log: log, looked: time.Now()}
	c.changed = c.written()
	var err error
	c.pool, err = readPool(file)
	return c, err
}

func readPool(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, &os.PathError{Op: "read", Path: file, Err: errNoCertificate}
	}
	return pool, nil
}

// written is when the file was written; zero: that is not known.
func (c *ClientCA) written() time.Time {
	info, err := os.Stat(c.file)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// now are the authorities that are in the file; those before, if it cannot be read.
func (c *ClientCA) now() *x509.CertPool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < lookEvery {
		return c.pool
	}
	c.looked = time.Now()
	written := c.written()
	if written.Equal(c.changed) {
		return c.pool
	}
	pool, err := readPool(c.file)
	if err != nil {
		c.log.Warn("cannot read the new authorities of clients, and keep those before", "error", err)
		return c.pool
	}
	c.pool, c.changed = pool, written
	c.log.Info("read the authorities of clients again", "file", c.file)
	return pool
}

// Verify has connections of a config verify the certificate of a client that shows one. One
// that is not valid ends the connection.
func (c *ClientCA) Verify(config *tls.Config) {
	config.ClientAuth = tls.VerifyClientCertIfGiven
	config.SessionTicketsDisabled = true // each connection is verified by the authorities of now
	config.ClientCAs = c.pool
	base := config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		one := base.Clone()
		one.ClientCAs = c.now()
		return one, nil
	}
}
