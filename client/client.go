package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"tutti/internal/fault"
)

// base is where the operations of a server are.
const base = "/api/v1"

const (
	// connectTime bounds a connection, and answerTime the time to the start of an answer:
	// the server first decides all hosts of a run.
	connectTime = 10 * time.Second
	answerTime  = 2 * time.Minute
	// maxAnswer bounds an answer that is no stream.
	maxAnswer = 64 << 20
	// maxHeader bounds the header of an answer.
	maxHeader = 64 << 10
)

// A Config says which server to ask, and how.
type Config struct {
	Address Address
	// CA is a file with the certificates of the authorities that are trusted for this
	// server; empty: the system's.
	CA string
	// Token is sent with each request; empty: none, as over a socket.
	Token string
	// Version is this program's.
	Version string
}

// A Client sends requests to one server. Its methods may be called concurrently.
type Client struct {
	address Address
	token   string
	version string
	http    *http.Client
	// streams is for answers that may start late.
	streams *http.Client
	base    *url.URL
}

// New returns a client. It does not connect; its error is about the file of CA.
func New(c Config) (*Client, error) {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connectTime}).DialContext,
		TLSHandshakeTimeout:    connectTime,
		ResponseHeaderTimeout:  answerTime,
		MaxResponseHeaderBytes: maxHeader,
		IdleConnTimeout:        time.Minute,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // a small answer must not become a large one
	}
	client := &Client{address: c.Address, token: c.Token, version: c.Version, base: c.Address.URL}
	if c.Address.Socket != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: connectTime}).DialContext(ctx, "unix", c.Address.Socket)
		}
		client.base = &url.URL{Scheme: "http", Host: "tutti"}
	}
	if c.CA != "" {
		pool, err := authorities(c.CA)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	// The token would be sent to the target of a redirect.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	patient := t.Clone()
	patient.ResponseHeaderTimeout = 0
	client.http = &http.Client{Transport: t, CheckRedirect: stay}
	client.streams = &http.Client{Transport: patient, CheckRedirect: stay}
	return client, nil
}

// authorities are the certificates in a file.
func authorities(path string) (*x509.CertPool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s has no certificate in PEM form", path)
	}
	return pool, nil
}

// Address is where the server is.
func (c *Client) Address() Address { return c.address }

// Close closes the connections that are not in use.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	c.streams.CloseIdleConnections()
}

// A request may be sent several times.
type request struct {
	method string
	// path is the way from the root, and rawPath the same with its segments escaped.
	path, rawPath string
	query         url.Values
	accept        string
	// body is sent as media; nil: there is none.
	body  []byte
	media string
	// key makes the server execute it once; empty: it may be repeated.
	key string
	// header is added.
	header http.Header
	// got gets the header of the answer; nil: it is ignored.
	got func(http.Header)
}

// newRequest is a request for the operation at the path of these segments.
func newRequest(method string, segments ...string) (*request, error) {
	q := &request{method: method, path: base, rawPath: base}
	for _, s := range segments {
		if s == "" || s == "." || s == ".." { // these would be another path
			return nil, fault.Usagef("%q is not a name", s)
		}
		q.path += "/" + s
		q.rawPath += "/" + url.PathEscape(s)
	}
	return q, nil
}

// get reads the answer of an operation into answer.
func (c *Client) get(ctx context.Context, answer any, query url.Values, segments ...string) error {
	q, err := newRequest(http.MethodGet, segments...)
	if err != nil {
		return err
	}
	q.query = query
	return c.exchange(ctx, q, answer)
}

// send sends body to an operation that changes something, and reads the answer; nil:
// it is ignored. A POST that has to be sent again is executed once.
func (c *Client) send(ctx context.Context, method string, body, answer any, segments ...string) error {
	q, err := bodyRequest(method, body, segments...)
	if err != nil {
		return err
	}
	if method == http.MethodPost {
		q.key = newKey()
	}
	return c.exchange(ctx, q, answer)
}

// sendOnce is send, with headers of its own, for an operation that the server would execute
// once more: a request that was cut off is not sent again.
func (c *Client) sendOnce(ctx context.Context, method string, body, answer any, header http.Header, segments ...string) error {
	q, err := bodyRequest(method, body, segments...)
	if err != nil {
		return err
	}
	q.header = header
	return c.exchange(ctx, q, answer)
}

// bodyRequest is a request with the JSON of body; nil: there is none.
func bodyRequest(method string, body any, segments ...string) (*request, error) {
	q, err := newRequest(method, segments...)
	if err != nil {
		return nil, err
	}
	if q.media = "application/json"; body != nil {
		q.body, err = json.Marshal(body)
	}
	return q, err
}

// newKey is a random key for a request.
func newKey() string {
	return "cli-" + strings.ToLower(rand.Text())
}

// exchange sends q and reads the JSON of its answer.
func (c *Client) exchange(ctx context.Context, q *request, answer any) error {
	q.accept = "application/json"
	return c.retry(ctx, q, c.reader(q, answer))
}

// reader reads the JSON of an answer into answer; nil: it is ignored.
func (c *Client) reader(q *request, answer any) func(*http.Response) error {
	return func(r *http.Response) error {
		if q.got != nil {
			q.got(r.Header)
		}
		data, err := readAll(r.Body)
		switch {
		case errors.Is(err, errLarge):
			return c.strange(err)
		case err != nil:
			return &cutError{fmt.Errorf("the answer of %s was cut off: %w", c.address, err)}
		case answer == nil || r.StatusCode == http.StatusNoContent:
			return nil
		}
		if err := json.Unmarshal(data, answer); err != nil {
			return c.notUnderstood(r, err)
		}
		return nil
	}
}

var errLarge = fmt.Errorf("it is larger than %d MiB", maxAnswer>>20)

// readAll reads an answer, within bounds.
func readAll(from io.Reader) ([]byte, error) {
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(from, maxAnswer+1))
	if err == nil && n > maxAnswer {
		err = errLarge
	}
	return b.Bytes(), err
}

// do sends q once. It returns an answer that is not a refusal, whose body must be closed.
func (c *Client) do(ctx context.Context, q *request) (*http.Response, error) {
	u := *c.base
	u.Path, u.RawPath, u.RawQuery = c.base.Path+q.path, c.base.Path+q.rawPath, q.query.Encode()
	var body io.Reader
	if q.body != nil {
		body = bytes.NewReader(q.body)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, u.String(), body)
	if err != nil {
		return nil, errors.New("the request cannot be made") // the error has its URL
	}
	for name, values := range q.header {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", "tutti/"+cmp.Or(c.version, "devel")+" ("+runtime.GOOS+"; "+runtime.GOARCH+")")
	r.Header.Set("Accept", q.accept)
	if q.body != nil {
		r.Header.Set("Content-Type", q.media)
	}
	if q.key != "" {
		r.Header.Set("Idempotency-Key", q.key)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	by := c.http
	if q.accept == linesType {
		by = c.streams
	}
	answer, err := by.Do(r)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if err := c.check(answer); err != nil {
		_ = answer.Body.Close() // nothing more of it is needed
		return nil, err
	}
	return answer, nil
}

// check is the error for an answer that is not from a tutti server, or is a refusal.
func (c *Client) check(r *http.Response) error {
	switch {
	case r.StatusCode >= 300 && r.StatusCode < 400:
		return c.redirected(r)
	case r.Header.Get("Tutti-Version") == "":
		return fault.Advise(fmt.Errorf("%s is not a tutti server: it answered %d without the header Tutti-Version", c.address, r.StatusCode), AdviceNotTutti)
	case r.StatusCode >= 400:
		return notNow(r, c.problem(r))
	}
	return nil
}
