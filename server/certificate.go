package server

import (
	"crypto/tls"
	"log/slog"
)

// A Certificate is read from its files again when they have changed.
type Certificate struct{ *reloaded[*tls.Certificate] }

// LoadCertificate reads a certificate and its key.
func LoadCertificate(cert, key string, log *slog.Logger) (*Certificate, error) {
	read, err := newReloaded("certificate", func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		return &pair, err
	}, log, cert, key)
	if err != nil {
		return nil, err
	}
	return &Certificate{read}, nil
}

// Config is how connections are made with it.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now(), nil },
	}
}
