package operation

import (
	"errors"
	"strings"

	"tutti/api"
	"tutti/internal/yamltree"
)

// InFile says where a file in a body is wrong, without what stands there; nil if that is
// not what err says.
func InFile(err error) []api.ProblemError {
	wrong, ok := errors.AsType[*yamltree.Errors](err)
	if !ok {
		return nil
	}
	all := make([]api.ProblemError, len(wrong.List))
	for i, one := range wrong.List {
		place := one.Pos
		place.File = ""
		all[i] = api.At("", strings.TrimPrefix(place.String()+": ", ": ")+one.Bare())
	}
	return all
}
