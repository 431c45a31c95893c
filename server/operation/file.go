package operation

import (
	"errors"
	"fmt"

	"tutti/api"
	"tutti/internal/yamltree"
)

// InFile are the places of a file in a body that err is about, without the values there;
// nil if err is not about such places.
func InFile(err error) []api.ProblemError {
	wrong, ok := errors.AsType[*yamltree.Errors](err)
	if !ok {
		return nil
	}
	all := make([]api.ProblemError, len(wrong.List))
	for i, one := range wrong.List {
		text := one.Bare()
		switch {
		case one.Line > 0 && one.Column > 0:
			text = fmt.Sprintf("line %d, column %d: %s", one.Line, one.Column, text)
		case one.Line > 0:
			text = fmt.Sprintf("line %d: %s", one.Line, text)
		}
		all[i] = api.At("", text)
	}
	return all
}
