package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
)

// A ClientCA has the authorities whose certificates say who a client is. It is read from its
// file again when that has changed.
type ClientCA struct{ *reloaded[*x509.CertPool] }

var errNoCertificate = errors.New("it has no certificate")

// LoadClientCA reads authorities.
func LoadClientCA(file string, log *slog.Logger) (*ClientCA, error) {
	read, err := newReloaded("file of client authorities", func() (*x509.CertPool, error) { return readPool(file) }, log, file)
	if err != nil {
		return nil, err
	}
	return &ClientCA{read}, nil
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

// Verify has connections of a config verify the certificate of a client that shows one. One
// that is not valid ends the connection.
func (c *ClientCA) Verify(config *tls.Config) {
	config.ClientAuth = tls.VerifyClientCertIfGiven
	config.SessionTicketsDisabled = true // each connection is verified by the authorities of now
	config.ClientCAs = c.now()
	base := config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		one := base.Clone()
		one.ClientCAs = c.now()
		return one, nil
	}
}
