package operation

import (
	"net/url"
	"slices"

	"tutti/api"
)

// checkQuery refuses unknown and repeated names in a raw query.
func checkQuery(raw string, known []string) *Failure {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return Invalid.Fail("the query is not valid percent-encoding")
	}
	var names []string
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	var found []api.ProblemError
	for _, name := range names {
		switch {
		case !slices.Contains(known, name):
			found = append(found, api.InParameter(name, unknownText("unknown query name", name, known)))
		case len(query[name]) > 1:
			found = append(found, api.InParameter(name, "is repeated"))
		}
	}
	if found == nil {
		return nil
	}
	return Invalid.Fail("the query is wrong").With(found...)
}
