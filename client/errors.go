package client

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"tutti/api"
	"tutti/internal/fault"
	"tutti/internal/sanitize"
)

// The codes of advice about servers. The argument of AdviceLogin is the address of the
// server.
const (
	AdviceLogin       = "client-login"       // not logged in, or no longer valid
	AdviceSocket      = "client-socket"      // no daemon serves the socket
	AdviceRefused     = "client-refused"     // nothing listens at the address
	AdviceSocketRight = "client-socket-role" // the socket may not be used
	AdviceName        = "client-name"        // the name of the server cannot be resolved
	AdviceUnreachable = "client-unreachable" // no connection, for another reason
	AdviceAuthority   = "client-authority"   // no trusted authority has signed the certificate
	AdviceCertName    = "client-cert-name"   // the certificate is for another name
	AdviceCertDates   = "client-cert-dates"  // the certificate is not valid now
	AdviceNoTLS       = "client-no-tls"      // the server speaks plain HTTP
	AdviceNotTutti    = "client-not-tutti"   // something else answers
	AdviceOther       = "client-other"       // the server is at another address; the argument
	AdviceVersions    = "client-versions"    // the two versions may not be compatible
)

// maxText bounds each text of an answer in an error, in bytes.
const maxText = 600

// A ProblemError is a refusal of a server.
type ProblemError struct {
	// Name is what the problem is called: no-run, role, …
	Name   string
	Status int
	// Detail, Advised and Places are the server's texts: why, what can be done, and
	// which places of the request are wrong. They have no control characters.
	Detail, Advised string
	Places          []string
	// Request is its number in the log of the server.
	Request string

	server  string
	version string // of the server, if it differs from client
	client  string // the version of this program
}

func (e *ProblemError) Error() string {
	text := e.Detail
	if len(e.Places) > 0 {
		text += ": " + strings.Join(e.Places, "; ")
	}
	if e.Status >= http.StatusInternalServerError && e.Request != "" {
		text += " (request " + e.Request + " in the log of the server)"
	}
	return text
}

// Hint is what the server says can be done.
func (e *ProblemError) Hint() string { return e.Advised }

// Advice is about the login, and about versions that differ.
func (e *ProblemError) Advice() (code string, args []any) {
	switch {
	case e.Status == http.StatusUnauthorized:
		return AdviceLogin, []any{e.server}
	case e.version != "" && (e.Name == "invalid" || e.Name == "not-found" || e.Name == "method" || e.Name == "media-type"):
		return AdviceVersions, []any{e.version, e.client}
	}
	return "", nil
}

// isProblem reports whether err is a refusal of the server of that name.
func isProblem(err error, name string) bool {
	refused, ok := errors.AsType[*ProblemError](err)
	return ok && refused.Name == name
}

// problem is the refusal in an answer.
func (c *Client) problem(r *http.Response) error {
	e := &ProblemError{Status: r.StatusCode, server: c.address.String(), version: c.otherVersion(r), client: c.version}
	data, err := readAll(r.Body)
	if err != nil {
		return &cutError{fmt.Errorf("cannot read the answer: %w", err)}
	}
	var p api.Problem
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/problem+json" || json.Unmarshal(data, &p) != nil {
		e.Detail = "the server answered " + sanitize.Line(r.Status, maxText)
		return e
	}
	e.Name = strings.TrimPrefix(p.Type[strings.LastIndexByte(p.Type, '/')+1:], "/")
	e.Detail, e.Advised, e.Request = sanitize.Line(p.Title, maxText), sanitize.Line(p.Hint, maxText), sanitize.Line(p.Request, 64)
	if p.Detail != "" {
		e.Detail = sanitize.Line(p.Title+": "+p.Detail, maxText)
	}
	if e.Name == "local-only" && p.Detail != "" { // which names the places
		return e
	}
	const mostPlaces = 5
	for _, at := range p.Errors[:min(len(p.Errors), mostPlaces)] {
		where := at.Parameter
		if at.Pointer != nil && where == "" {
			where = *at.Pointer
		}
		e.Places = append(e.Places, sanitize.Line(strings.TrimSpace(where+" "+at.Message), maxText))
	}
	return e
}

// otherVersion is the version of the server; empty if it is that of this program.
func (c *Client) otherVersion(r *http.Response) string {
	if version := r.Header.Get("Tutti-Version"); version != c.version {
		return sanitize.Line(version, 64)
	}
	return ""
}

// notUnderstood is the error for an answer that cannot be decoded.
func (c *Client) notUnderstood(r *http.Response, err error) error {
	text := sanitize.Line(err.Error(), maxText)
	wrong := fmt.Errorf("the answer of %s is not understood: %s", c.address, text)
	if version := c.otherVersion(r); version != "" {
		return fault.Advise(wrong, AdviceVersions, version, c.version)
	}
	return wrong
}

// redirected is the error for a redirect, with its target. It is not followed: the token
// is not for that server.
func (c *Client) redirected(r *http.Response) error {
	to, err := r.Location()
	if err != nil {
		return fault.Advise(fmt.Errorf("%s is not a tutti server: it answered %d", c.address, r.StatusCode), AdviceNotTutti)
	}
	there := sanitize.Line((&url.URL{Scheme: to.Scheme, Host: to.Host}).String(), maxText)
	return fault.Advise(fmt.Errorf("%s redirects to %s, which was not followed", c.address, there), AdviceOther, there)
}

// A cutError is a connection that was closed before the end of the answer.
type cutError struct{ err error }

func (e *cutError) Error() string { return e.err.Error() }
func (e *cutError) Unwrap() error { return e.err }

// An UnreachableError is a request that did not reach the server.
type UnreachableError struct {
	server string
	err    error
	code   string
}

func (e *UnreachableError) Error() string { return "cannot reach " + e.server + ": " + e.err.Error() }
func (e *UnreachableError) Unwrap() error { return e.err }

// Advice is about the reason.
func (e *UnreachableError) Advice() (code string, args []any) { return e.code, nil }

// unreachable is the error for a request without an answer. It does not have the request.
func (c *Client) unreachable(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || isEOF(err) {
		return &cutError{fmt.Errorf("%s closed the connection without an answer: %w", c.address, err)}
	}
	return &UnreachableError{c.address.String(), err, c.adviceFor(err)}
}

// adviceFor is the code of what can be done about err.
func (c *Client) adviceFor(err error) string {
	socket := c.address.Socket != ""
	switch {
	case socket && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)):
		return AdviceSocket
	case socket && errors.Is(err, fs.ErrPermission):
		return AdviceSocketRight
	case errors.Is(err, syscall.ECONNREFUSED):
		return AdviceRefused
	case errors.As(err, new(*net.DNSError)):
		return AdviceName
	case errors.As(err, new(x509.HostnameError)):
		return AdviceCertName
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return AdviceAuthority
	case errors.As(err, new(tls.RecordHeaderError)) || strings.Contains(err.Error(), "gave HTTP response to HTTPS client"):
		return AdviceNoTLS
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return AdviceCertDates
		}
		return AdviceAuthority
	}
	return AdviceUnreachable
}
