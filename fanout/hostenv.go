package fanout

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// HostVariables tell a command which host it runs on, at which address and as whom:
// TUTTI_HOST, TUTTI_ADDRESS, TUTTI_USER; TUTTI_INDEX, from 0, of TUTTI_HOSTS; TUTTI_RUN
// (0 without a history), TUTTI_ATTEMPT (from 1); and TUTTI_LABEL_NAME for each label, in
// capitals, with _ for what no variable's name can have.
func (a Attempt) HostVariables(address, user string) []Variable {
	vars := []Variable{
		{Name: "TUTTI_HOST", Value: a.Target.Name},
		{Name: "TUTTI_ADDRESS", Value: address},
		{Name: "TUTTI_USER", Value: user},
		{Name: "TUTTI_INDEX", Value: strconv.Itoa(a.Target.Index)},
		{Name: "TUTTI_HOSTS", Value: strconv.Itoa(a.Targets)},
		{Name: "TUTTI_RUN", Value: strconv.FormatInt(a.RunID, 10)},
		{Name: "TUTTI_ATTEMPT", Value: strconv.Itoa(a.N)},
	}
	for _, name := range slices.Sorted(maps.Keys(a.Target.Labels)) {
		vars = append(vars, Variable{Name: "TUTTI_LABEL_" + capitals(name), Value: a.Target.Labels[name]})
	}
	return vars
}

// capitals is name with capital letters, and _ for what is neither letter nor digit of
// ASCII.
func capitals(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}
