package notify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tutti/internal/sanitize"
	"tutti/scheduler"
)

const (
	// webhookLimit is how long an attempt may take.
	webhookLimit = 10 * time.Second
	// maxAnswer is how much of an answer is read, so that the connection can be
	// used again.
	maxAnswer = 4 << 10
	// maxAnswerHeader bounds the header of an answer, in bytes.
	maxAnswerHeader = 16 << 10
	// maxSecret bounds the file of a key, in bytes.
	maxSecret = 4 << 10
	// maxReason bounds what is kept of an error, in bytes.
	maxReason = 300
)

var errNoAnswer = fmt.Errorf("no answer within %s", webhookLimit)

// webhooks sends messages over HTTP.
type webhooks struct {
	client *http.Client
	agent  string
	now    func() time.Time
	close  func()
	// guarded is for webhooks of users that may not act on this machine; nil: they are
	// not sent.
	guarded *guarded
}

// newWebhooks sends by way of transport, unless that is nil. Redirects are not
// followed: the signature is for the one who was named, and most of them would
// make a GET out of the message.
func newWebhooks(transport http.RoundTripper, version string, now func() time.Time) *webhooks {
	w := &webhooks{agent: "tutti", now: now, close: func() {}}
	if version != "" {
		w.agent += "/" + version
	}
	if transport == nil {
		t := &http.Transport{
			Proxy:                  proxy,
			DialContext:            (&net.Dialer{Timeout: webhookLimit}).DialContext,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           maxBusy,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: maxAnswerHeader,
		}
		transport, w.close = t, t.CloseIdleConnections
	}
	w.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return w
}

// proxy is the proxy that the environment names. What is wrong with it is not
// repeated: it may hold a password.
func proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, errors.New("the proxy in the environment is not a URL")
	}
	return u, nil
}

// send makes one attempt. What is secret in a URL stands after the host, so
// errors name no more than that.
func (w *webhooks) send(ctx context.Context, d scheduler.Delivery) error {
	ctx, cancel := context.WithTimeoutCause(ctx, webhookLimit, errNoAnswer)
	defer cancel()
	req, err := w.request(ctx, d)
	if err != nil {
		return err
	}
	resp, err := w.do(req, d)
	if err != nil {
		return fmt.Errorf("%s: %w", req.URL.Host, err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // its status says all
	_ = resp.Body.Close()                             // as above
	if err := w.checkResponse(resp); err != nil {
		return fmt.Errorf("%s: %w", req.URL.Host, err)
	}
	return nil
}

func (w *webhooks) do(req *http.Request, d scheduler.Delivery) (*http.Response, error) {
	if d.Notify.WebhookBy != "" {
		return w.guarded.do(req)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, reachError(req.Context(), req.URL.Host, err)
	}
	return resp, nil
}

// request is the message as it is sent.
func (w *webhooks) request(ctx context.Context, d scheduler.Delivery) (*http.Request, error) {
	body := d.Body
	if body == nil {
		var err error
		if body, err = json.Marshal(d.Message); err != nil {
			return nil, refusal{fmt.Errorf("write the message: %w", err)}
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.Notify.Webhook, bytes.NewReader(body))
	if err != nil {
		return nil, refusal{errors.New("the webhook is not a URL")} // err has all of it
	}
	now := w.now()
	stamp := strconv.FormatInt(now.Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", w.agent)
	req.Header.Set("X-Tutti-Event", d.Message.Type)
	req.Header.Set("X-Tutti-Delivery", strconv.FormatInt(d.ID, 10))
	req.Header.Set("X-Tutti-Timestamp", stamp)
	switch {
	case d.Notify.WebhookBy != "":
		return req, w.guarded.sign(req, d, now, body)
	case d.Notify.SecretFile == "":
		return req, nil
	}
	secret, err := readSecret(d.Notify.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("read the key of the webhook: %w", err)
	}
	defer clear(secret)
	req.Header.Set("X-Tutti-Signature", sign(secret, stamp, body))
	return req, nil
}

// sign proves that the sender of the body has the secret, and when it was sent.
func sign(secret []byte, stamp string, body []byte) string {
	return "sha256=" + hex.EncodeToString(macOf(secret, stamp, body))
}

// readSecret reads a key, without the newline at its end. It is read again for
// each attempt, so that it can be replaced under a running daemon.
func readSecret(path string) ([]byte, error) {
	// Without waiting, should a pipe be there.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("other users can read %s (%04o): chmod 600 it", path, info.Mode().Perm())
	case info.Size() > maxSecret:
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxSecret)
	}
	data := make([]byte, info.Size())
	n, err := io.ReadFull(f, data)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	data = bytes.TrimRight(data[:n], "\r\n")
	if len(data) == 0 {
		return nil, fmt.Errorf("%s is empty", path)
	}
	return data, nil
}

// reachError is why there was no answer of host, without the URL and, if host is
// an address, without that.
func reachError(ctx context.Context, host string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" && op.Addr != nil && strings.HasPrefix(op.Addr.String(), host) {
		err = op.Err
	}
	text := sanitize.Escape(err.Error())
	return errors.New(strings.ToValidUTF8(text[:min(len(text), maxReason)], ""))
}

// checkResponse returns nil if the receiver accepted the message, a postponement if it
// may be sent again, else a refusal.
func (w *webhooks) checkResponse(resp *http.Response) error {
	code := resp.StatusCode
	err := fmt.Errorf("%d %s", code, cmp.Or(http.StatusText(code), "(not an HTTP status)"))
	switch {
	case code/100 == 2:
		return nil
	case code/100 == 3:
		return refusal{fmt.Errorf("%w: redirects are not followed; use the target URL", err)}
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code/100 == 5:
		return postponement{err, retryAfter(resp.Header.Get("Retry-After"), w.now())}
	}
	return refusal{err}
}
