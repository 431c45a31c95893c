package yamltree

import (
	"fmt"
	"slices"
	"strings"
)

// maxProblems is how many problems are reported at once: enough to correct a file in
// one go, and no more than a screen holds.
const maxProblems = 10

// An Error is one thing that is wrong with a file, and where.
type Error struct {
	Pos
	Msg string
	// bare is Msg without anything of the file; empty: Msg has nothing of it.
	bare string
}

// Errorf makes an Error, as [Mistakef] makes a Mistake.
func Errorf(at Pos, format string, args ...any) *Error {
	m := Mistakef(format, args...)
	return &Error{Pos: at, Msg: m.full, bare: m.bare}
}

// Bare is the message without anything of the file but single characters.
func (e *Error) Bare() string {
	if e.bare == "" {
		return e.Msg
	}
	return e.bare
}

func (e *Error) bared() *Error { return &Error{Pos: e.Pos, Msg: e.Bare()} }

// Error is the position and the message.
func (e *Error) Error() string { return e.Pos.String() + ": " + e.Msg }

// Errors is all that is wrong with one or more files, a line each.
type Errors struct {
	// List is never empty, and in the order of the file.
	List []*Error
	// Omitted is how many more there are.
	Omitted int
}

// Error is a line for each error.
func (e *Errors) Error() string {
	lines := make([]string, 0, len(e.List)+1)
	for _, x := range e.List {
		lines = append(lines, x.Error())
	}
	if e.Omitted > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.Omitted))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors of List.
func (e *Errors) Unwrap() []error {
	errs := make([]error, len(e.List))
	for i, x := range e.List {
		errs[i] = x
	}
	return errs
}

// Problems collects errors while a file is read to its end. The zero value is
// ready to use; it is not for several goroutines at once.
type Problems struct {
	list    []*Error
	omitted int
}

// Add adds the errors of a file that was read along the way.
func (p *Problems) Add(err *Errors) {
	for _, e := range err.List {
		if len(p.list) == maxProblems {
			p.omitted++
			continue
		}
		p.list = append(p.list, e)
	}
	p.omitted += err.Omitted
}

// Addf adds an error.
func (p *Problems) Addf(at Pos, format string, args ...any) {
	if len(p.list) == maxProblems {
		p.omitted++
		return
	}
	p.list = append(p.list, Errorf(at, format, args...))
}

// Err returns the errors as an *Errors, or nil if there are none. Errors of a
// file are in the order of its lines.
func (p *Problems) Err() error {
	if len(p.list) == 0 {
		return nil
	}
	list := slices.Clone(p.list)
	slices.SortStableFunc(list, func(a, b *Error) int {
		if a.File != b.File {
			return 0
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return &Errors{List: list, Omitted: p.omitted}
}

// Fields goes over a Map and hands each known key's value to its function, in
// the order of the file. It adds an error for a node that is not a Map and for
// each key that is not among known, naming the nearest that is; what says whose
// keys they are, such as "host db1". A null node has no fields.
func (p *Problems) Fields(n Node, what string, known []string, field func(key, value Node)) {
	switch n.Kind() {
	case Null:
		return
	case Map:
	default:
		p.Addf(n.Pos(), "%s: want a mapping, got %s", what, n.Kind())
		return
	}
	for key, value := range n.Fields() {
		if !slices.Contains(known, key.Text()) {
			p.Unknown(key, what, known)
			continue
		}
		field(key, value)
	}
}

// Unknown adds the error for a key that has no meaning.
func (p *Problems) Unknown(key Node, what string, known []string) {
	hint := Word("known are " + strings.Join(known, ", "))
	if near := Nearest(key.Text(), known); near != "" {
		hint = Word(fmt.Sprintf("did you mean %q?", near))
	}
	p.Addf(key.Pos(), "%s: unknown key %q; %s", what, key.Text(), hint)
}
