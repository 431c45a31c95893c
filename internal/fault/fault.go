// Package fault has what an error says besides its text: whether it is a usage
// error, a mistake of the caller that was found before anything connected, and
// hints, which say what the caller can do about it. Errors speak of keys, and of
// codes for advice; a [Wording] puts them into the reader's words, such as flags and
// commands.
package fault

import "errors"

// A UsageError is a mistake of the caller, found before anything connects.
type UsageError struct {
	err error
	// Syntax says that the request itself is wrong, as it was written, so that
	// the usage line helps.
	Syntax bool
}

func (e *UsageError) Error() string { return e.err.Error() }
func (e *UsageError) Unwrap() error { return e.err }

// Usage makes err a [UsageError]; nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &UsageError{err: err}
}

// Usagef formats a [UsageError].
func Usagef(format string, args ...any) error {
	return &UsageError{err: Errorf(format, args...)}
}

// Syntaxf formats a [UsageError] about how the request is written.
func Syntaxf(format string, args ...any) error {
	return &UsageError{err: Errorf(format, args...), Syntax: true}
}

// A Hinter is an error that knows what the user can do about it. The errors of
// every package may be one.
type Hinter interface{ Hint() string }

// Hint is err with a hint.
func Hint(err error, text string) error {
	return &hintError{err, errors.New(text)}
}

// A hintError adds a hint to an error that has none.
type hintError struct {
	err  error
	text error
}

var _ Hinter = (*hintError)(nil)

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

// Hint is the hint.
func (e *hintError) Hint() string { return e.text.Error() }
