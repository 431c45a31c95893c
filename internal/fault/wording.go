package fault

import (
	"fmt"
	"strings"
)

// A Key is the name of a setting of a request, such as connect-timeout. As an
// argument of [Usagef], [Syntaxf], [Errorf] and [Hintf] it is spelled as the reader
// of the error writes it: as a flag, or as a key of a file.
type Key string

// String is the key as files have it: connect_timeout.
func (k Key) String() string { return strings.ReplaceAll(string(k), "-", "_") }

// A Short is a [Key] that is spelled as short as can be.
type Short string

// String is that of the key.
func (s Short) String() string { return Key(s).String() }

// A Command is something that can be asked for, such as "job log", and is spelled as
// a [Key] is.
type Command string

// A Wording spells errors for their reader. The zero value is for programs and for
// files: keys with underscores, no advice.
type Wording struct {
	// Key spells a key; nil: as files have it.
	Key func(Key) string
	// Short spells a key shortly; nil: as Key does.
	Short func(Short) string
	// Command spells a command; nil: as it is.
	Command func(Command) string
	// Advice are what can be done about errors that went through [Advise], as
	// formats for its arguments. Advice that is not there is left out.
	Advice map[string]string
}

// An advised error has advice whose words depend on the reader.
type advised struct {
	err  error
	code string
	args []any
}

// Advise adds to err that there is advice with this code, which wordings have a
// format for.
func Advise(err error, code string, args ...any) error { return &advised{err, code, args} }

func (e *advised) Error() string { return e.err.Error() }
func (e *advised) Unwrap() error { return e.err }

// An Adviser is an error that knows the code of its advice, and its arguments; an
// empty code is none. The errors of every package may be one.
type Adviser interface {
	Advice() (code string, args []any)
}

var _ Adviser = (*advised)(nil)

// Advice is the code and the arguments given to [Advise].
func (e *advised) Advice() (code string, args []any) { return e.code, e.args }

// keyed is a text with keys in it, and what it wraps.
type keyed struct {
	error  // as fmt.Errorf makes it
	format string
	args   []any
}

func (e *keyed) Unwrap() []error { return unwrap(e.error) }

// Errorf is fmt.Errorf, and the keys among args are spelled by wordings.
func Errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	for _, arg := range args { // else there is nothing to spell
		switch arg.(type) {
		case Key, Short, Command:
			return &keyed{err, format, args}
		}
	}
	return err
}

// Hintf is [Hint], and the keys among args are spelled by wordings.
func Hintf(err error, format string, args ...any) error {
	return &hintError{err: err, text: Errorf(format, args...)}
}

// A worded error has its text as a wording puts it.
type worded struct {
	text string
	err  error
}

func (e *worded) Error() string { return e.text }
func (e *worded) Unwrap() error { return e.err }

// Error is err with its text as w puts it, and with also behind it, for places that
// keep the text only; nil stays nil.
func (w Wording) Error(err error, also ...string) error {
	if err == nil {
		return nil
	}
	return &worded{strings.Join(append([]string{w.Text(err)}, also...), "; "), err}
}

// Text is the text of err.
func (w Wording) Text(err error) string {
	switch e := err.(type) { //nolint:errorlint // the chain is walked here
	case *keyed:
		return w.format(e.format, e.args)
	case *worded:
		return e.text
	}
	text := err.Error()
	done := 0 // how much of text has its words
	for _, cause := range unwrap(err) {
		if cause == nil {
			continue
		}
		plain, worded := cause.Error(), w.Text(cause)
		if at := strings.Index(text[done:], plain); at >= 0 && plain != worded {
			text = text[:done+at] + worded + text[done+at+len(plain):]
			done += at + len(worded)
		}
	}
	return text
}

// format is fmt.Sprintf with the words of keys and errors.
func (w Wording) format(format string, args []any) string {
	words := make([]any, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case Key:
			words[i] = w.key(arg)
		case Short:
			words[i] = w.short(arg)
		case Command:
			words[i] = w.command(arg)
		case error:
			words[i] = w.Text(arg)
		default:
			words[i] = arg
		}
	}
	return fmt.Sprintf(strings.ReplaceAll(format, "%w", "%v"), words...)
}

func (w Wording) key(k Key) string {
	if w.Key == nil {
		return k.String()
	}
	return w.Key(k)
}

func (w Wording) command(c Command) string {
	if w.Command == nil {
		return string(c)
	}
	return w.Command(c)
}

func (w Wording) short(s Short) string {
	if w.Short == nil {
		return w.key(Key(s))
	}
	return w.Short(s)
}

// Hints are those of err and of what it wraps, outermost first, a line each.
func (w Wording) Hints(err error) []string {
	var out []string
	if text := w.hint(err); text != "" {
		out = strings.Split(text, "\n")
	}
	for _, cause := range unwrap(err) {
		if cause != nil {
			out = append(out, w.Hints(cause)...)
		}
	}
	return out
}

// hint is that of err itself; empty if it has none.
func (w Wording) hint(err error) string {
	switch e := err.(type) { //nolint:errorlint // the chain is walked by Hints
	case *hintError:
		return w.Text(e.text)
	case Adviser:
		if code, args := e.Advice(); code != "" {
			if format := w.Advice[code]; format != "" {
				return w.format(format, args)
			}
			return ""
		}
	}
	if e, ok := err.(Hinter); ok {
		return e.Hint()
	}
	return ""
}

// unwrap are the errors that err wraps.
func unwrap(err error) []error {
	switch e := err.(type) { //nolint:errorlint // the chain is walked here
	case interface{ Unwrap() error }:
		return []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	}
	return nil
}
