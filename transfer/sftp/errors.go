package sftp

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/pkg/sftp"

	"tutti/transfer"
)

// said is err as a transfer understands it: what the host has answered about a file
// stays, everything else is the end.
func said(err error) error {
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission),
		errors.As(err, new(*transfer.SourceError)), errors.As(err, new(*transfer.LocalError)),
		errors.Is(err, context.Canceled), errors.As(err, new(*stoppedError)):
		return err
	}
	status, ok := errors.AsType[*sftp.StatusError](err)
	if ok && status.FxCode() != sftp.ErrSSHFxConnectionLost && status.FxCode() != sftp.ErrSSHFxNoConnection && status.FxCode() != sftp.ErrSSHFxBadMessage {
		return &answer{status}
	}
	return &transfer.BrokenError{Err: err}
}

// An answer is an error of the host, in its words.
type answer struct{ status *sftp.StatusError }

func (a *answer) Error() string {
	switch a.status.FxCode() {
	case sftp.ErrSSHFxFailure:
		return "the host could not do it (SFTP: failure)"
	case sftp.ErrSSHFxOpUnsupported:
		return "the host does not support it"
	}
	return a.status.Error()
}

func (a *answer) Unwrap() error { return a.status }

// stoppable ends with ctx.
type stoppable struct {
	ctx  context.Context
	from io.Reader
}

type stoppedError struct{ error }

func (s *stoppable) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, &stoppedError{context.Cause(s.ctx)}
	}
	return s.from.Read(p)
}
