package operation

import (
	"net/url"
	"slices"

	"tutti/api"
)

// checkQuery refuses the names in a raw query that are not known, and those that
// are there twice.
func checkQuery(raw string, known []string) *Failure {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return Invalid.Fail("the query cannot be read: it is not percent-encoded as it should be")
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
			found = append(found, api.InParameter(name, unknownText("no such query name", name, known)))
		case len(query[name]) > 1:
			found = append(found, api.InParameter(name, "is there twice"))
		}
	}
	if found == nil {
		return nil
	}
	return Invalid.Fail("the query is wrong").With(found...)
}
