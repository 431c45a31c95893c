package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	"tutti/fanout"
)

// ErrTempGone is a file that was written whole and could not be renamed, since its
// temporary file was gone: another copy of the same file has removed it.
var ErrTempGone = errors.New("another copy of the same file removed the temporary one")

// A log says what becomes of each file of a host.
type log struct {
	mu             sync.Mutex // guards what follows
	stdout, stderr io.Writer
	failures       int
}

// say says what became of f. An error is that nobody can hear it.
func (l *log) say(f fanout.File) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	to := l.stdout
	if f.State == fanout.FileFailed {
		l.failures++
		to = l.stderr
	}
	_, err := io.WriteString(to, f.Line()+"\n")
	return err
}

func (l *log) failed(path string, why error) error {
	return l.say(fanout.File{State: fanout.FileFailed, Path: path, Error: oneLine(why)})
}

// end is how the transfer ended, of which err is the result.
func (l *log) end(ctx context.Context, err error) (*fanout.Exit, *fanout.Failure) {
	if err != nil && ctx.Err() != nil { // the executor knows how it was stopped
		return nil, &fanout.Failure{Op: fanout.OpCanceled, Message: context.Cause(ctx).Error()}
	}
	if broken, ok := errors.AsType[*BrokenError](err); ok {
		return nil, broken.failure()
	}
	if local, ok := errors.AsType[*LocalError](err); ok {
		return nil, &fanout.Failure{Op: fanout.OpLocal, Message: local.Error(), Final: true}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failures++
		// Who cannot hear it learns of it by the exit code.
		_, _ = io.WriteString(l.stderr, "tutti: "+oneLine(err)+"\n")
	}
	if l.failures > 0 {
		return &fanout.Exit{Code: 1}, nil
	}
	return &fanout.Exit{}, nil
}

// oneLine is what err says, on one line: hosts say what they like.
func oneLine(err error) string {
	text := strings.ReplaceAll(err.Error(), fs.ErrNotExist.Error(), "no such file or directory")
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == 0 }), " ")
}

// A LocalError is trouble of this machine that has nothing to do with one file.
type LocalError struct{ Err error }

func (e *LocalError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *LocalError) Unwrap() error { return e.Err }

// isFatal reports whether err ends the transfer, and not only one file.
func isFatal(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || errors.As(err, new(*BrokenError)) || errors.As(err, new(*LocalError)))
}

func errorf(format string, args ...any) error { return fmt.Errorf(format, args...) }

func wrap(path string, err error) error { return fmt.Errorf("%s: %w", path, err) }

// each calls do for each of items, so many at once, until one returns an error or ctx is
// done, and waits for all calls.
func each[T any](ctx context.Context, most int, items []T, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan T)
	var wg sync.WaitGroup
	for range min(most, len(items)) {
		wg.Go(func() {
			for it := range next {
				if err := do(ctx, it); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, it := range items {
		select {
		case next <- it:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
