package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"tutti/scheduler"
	"tutti/store"
)

// SQLSTATE codes, and classes of them, that have a meaning here.
const (
	codeTaken          = "TU001" // of the function hold
	codeNotPrimary     = "25006" // read_only_sql_transaction
	codeNoPassword     = "28P01"
	codeNoUser         = "28000" // or no line of pg_hba.conf lets the user in
	codeNoDatabase     = "3D000"
	codeNoRight        = "42501"
	codeTableExists    = "42P07"
	codeLocked         = "55P03"
	codeDeadlock       = "40P01"
	codeSerialization  = "40001"
	codeStarting       = "57P03" // cannot_connect_now
	codeShutdown       = "57P01"
	codeCrash          = "57P02"
	codeTooMany        = "53300"
	codeFull           = "53100"
	classConnection    = "08"
	codeIdleInTransact = "25P03"
)

// stateOf is the SQLSTATE of an error; empty if the server did not send it.
func stateOf(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// kindOf is the sentinel for what the server, or the way to it, reports in err; nil if
// there is none.
func kindOf(err error) error {
	switch state := stateOf(err); {
	case state == codeTaken:
		return store.ErrTaken
	case state == codeNoPassword, state == codeNoUser:
		return store.ErrLogin
	case state == codeNoDatabase:
		return store.ErrNoDatabase
	case state == codeNotPrimary:
		return store.ErrStandby
	case state == codeNoRight:
		return store.ErrReadOnly
	case state == codeFull:
		return store.ErrFull
	case state == codeLocked, state == codeDeadlock, state == codeSerialization, state == codeTooMany:
		return store.ErrBusy
	case state == codeStarting, state == codeShutdown, state == codeCrash, state == codeIdleInTransact, strings.HasPrefix(state, classConnection):
		return store.ErrUnreachable
	case state == "XX001", state == "XX002":
		return store.ErrDamaged
	case state != "":
		return nil
	}
	return kindOfWay(err)
}

// kindOfWay is kindOf for an error that the server did not send.
func kindOfWay(err error) error {
	if isTLS(err) {
		return store.ErrTLS
	}
	if errors.Is(err, pgconn.ErrReadOnlyConnection) || errors.Is(err, pgconn.ErrStandbyConnection) {
		return store.ErrStandby
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return store.ErrUnreachable
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return store.ErrUnreachable
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return store.ErrUnreachable
	}
	return nil
}

// isTLS reports whether a connection failed because of TLS.
func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	return strings.Contains(err.Error(), "tls error") || strings.Contains(err.Error(), "server refused TLS connection")
}

// Fault is that of [store.JobLedger].
func (h *handle) Fault(op string, err error) error { return h.fault(op, err) }

// fault wraps err, which may be nil, with the operation and what is wrong. It returns an
// error in the words of package store, or of the ledger, as it is.
func (h *handle) fault(op string, err error) error { return faultAt(op, h.name, err) }

func faultAt(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*store.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[interface {
		error
		Advice() (code string, args []any)
	}](err); ok {
		return err
	}
	for _, known := range []error{store.ErrTaken, scheduler.ErrConflict, scheduler.ErrBusy, scheduler.ErrKnown, scheduler.ErrFenced} {
		if errors.Is(err, known) {
			return err
		}
	}
	kind := kindOf(err)
	if errors.Is(kind, store.ErrTaken) {
		return store.ErrTaken
	}
	return &store.Error{Op: op, Path: name, Kind: kind, Err: bare(err)}
}

// bare is err without the addresses, users and settings that pgx adds, which repeat the
// name of the history.
func bare(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return &serverError{e}
	}
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		if inner := errors.Unwrap(e); inner != nil {
			return inner
		}
	}
	return err
}

// A serverError is what the server said.
type serverError struct{ err *pgconn.PgError }

func (e *serverError) Error() string {
	if e.err.Detail == "" {
		return e.err.Message
	}
	return e.err.Message + ": " + e.err.Detail
}

// Unwrap gives the error with all that the server said.
func (e *serverError) Unwrap() error { return e.err }
