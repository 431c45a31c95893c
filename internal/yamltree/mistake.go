package yamltree

import (
	"errors"
	"fmt"
)

// A Mistake is what is wrong with a text. Its full form quotes the text; its bare form
// does not: a file that was named by mistake may hold secrets.
type Mistake struct{ full, bare string }

// Mistakef makes a Mistake. Its bare form has the numbers and characters among args,
// and of the rest only each [Word] and the bare form of what has one; what is left out
// becomes an ellipsis.
func Mistakef(format string, args ...any) *Mistake {
	safe := make([]any, len(args))
	for i, arg := range args {
		safe[i] = bareArg(arg)
	}
	return &Mistake{full: fmt.Sprintf(format, args...), bare: fmt.Sprintf(format, safe...)}
}

// Error is the mistake with what the text holds.
func (m *Mistake) Error() string { return m.full }

// Bare is the mistake with nothing of the text but single characters.
func (m *Mistake) Bare() string { return m.bare }

// A Word is part of a message that never comes out of a file.
type Word string

// barer is implemented by errors with a bare form.
type barer interface{ Bare() string }

func bareArg(arg any) any {
	if b, ok := arg.(barer); ok {
		return b.Bare()
	}
	switch arg.(type) {
	case int, int64, rune, byte, Kind, Word:
		return arg
	}
	return withheld{}
}

// withheld stands for what is not shown, whatever the verb.
type withheld struct{}

func (withheld) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("…")) }

// Bare is err with nothing of the files that it is about but single characters.
// Errors of other packages, such as those of the system, stay as they are.
func Bare(err error) error {
	if all := (*Errors)(nil); errors.As(err, &all) {
		list := make([]*Error, len(all.List))
		for i, e := range all.List {
			list[i] = e.bared()
		}
		return &Errors{List: list, Omitted: all.Omitted}
	}
	if one := (*Error)(nil); errors.As(err, &one) {
		return one.bared()
	}
	return err
}
