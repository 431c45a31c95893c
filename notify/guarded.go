package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"tutti/internal/outgoing"
	"tutti/scheduler"
)

// A Guard reaches webhooks of users that may not act on the machine of the daemon.
type Guard struct {
	// Dialer connects to the addresses that its policy allows.
	Dialer outgoing.Dialer
	// TLS checks the certificates of receivers; nil: against those that this machine
	// trusts.
	TLS *tls.Config
	// Secret is the secret of the user that set the webhook, which signs what is sent; see
	// [scheduler.Notify].
	Secret func(by string) ([]byte, error)
}

// SignatureHeader is the header with the signature of what a Guard sends.
const SignatureHeader = "Tutti-Signature"

// Sign is the signature of a body that was sent at that time, for receivers that have the
// secret.
func Sign(secret []byte, at time.Time, body []byte) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	return "t=" + stamp + ",v1=" + hex.EncodeToString(macOf(secret, stamp, body))
}

// macOf is the HMAC-SHA-256 of a time and a body.
func macOf(secret []byte, stamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(mac, stamp+".") // a hash takes everything
	_, _ = mac.Write(body)                // as above
	return mac.Sum(nil)
}

// guarded is [webhooks] for users that may not act on this machine.
type guarded struct {
	*Guard
	client *http.Client
}

// newGuarded does not follow redirects: they may lead to any address.
func newGuarded(g *Guard) *guarded {
	if g == nil {
		return nil
	}
	return &guarded{g, &http.Client{
		Transport:     outgoing.NewTransport(&g.Dialer, g.TLS),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

var errUnguarded = errors.New("the webhook was set by a user who is not an admin, and this daemon sends to none of those")

// sign signs a request with the secret of the user that set its webhook.
func (g *guarded) sign(req *http.Request, d scheduler.Delivery, at time.Time, body []byte) error {
	if g == nil || g.Secret == nil {
		return errUnguarded
	}
	if err := g.Dialer.Policy.CheckURL(d.Notify.Webhook); err != nil {
		return refusal{err}
	}
	secret, err := g.Secret(d.Notify.WebhookBy)
	if err != nil {
		return fmt.Errorf("read the key that signs: %w", err)
	}
	defer clear(secret)
	req.Header.Set(SignatureHeader, Sign(secret, at, body))
	return nil
}

// do sends a request. Its error has nothing of the answer, which may come from a service
// that the user who set the webhook must not read.
func (g *guarded) do(req *http.Request) (*http.Response, error) {
	resp, err := g.client.Do(req)
	if err == nil {
		return resp, nil
	}
	ctx := req.Context()
	refused, isRefused := errors.AsType[*outgoing.RefusedError](err)
	number, isNumber := errors.AsType[syscall.Errno](err)
	switch {
	case context.Cause(ctx) != nil:
		return nil, context.Cause(ctx)
	case isRefused:
		return nil, refusal{refused}
	case isNumber:
		return nil, errors.New(number.Error())
	case errors.Is(err, outgoing.ErrLookup):
		return nil, outgoing.ErrLookup
	case isTLS(err):
		return nil, errors.New("TLS failed: the certificate is not valid for this name, or it is not a TLS server")
	case isTimeout(err):
		return nil, errNoAnswer
	}
	return nil, errors.New("the answer is not HTTP")
}

func isTLS(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(tls.RecordHeaderError)) ||
		errors.As(err, new(tls.AlertError)) || errors.As(err, new(x509.HostnameError)) || errors.As(err, new(x509.UnknownAuthorityError))
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
