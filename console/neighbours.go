package console

import (
	"net/url"
	"strings"

	"tutti/api"
)

// badPages bounds how many pages of bad hosts are looked through for the neighbours of one.
const badPages = 10

// addNeighbours adds the bad hosts before and after the one of a page, in the order of the
// plan. After one that is not bad itself it is the first.
func addNeighbours(v *visit, p *outputPage) {
	var bad []string
	for _, s := range states {
		if s.bad {
			bad = append(bad, s.name)
		}
	}
	query := url.Values{"limit": {"1000"}, "outcome": {strings.Join(bad, ",")}}
	address := at("/runs/{run}/hosts", v.r.PathValue("run"))
	first, last, past := "", "", false
	for range badPages {
		var list api.List[api.RunHost]
		if !v.get(&list, withQuery(address, query)) {
			break
		}
		for i := range list.Items {
			host := list.Items[i].Host
			switch {
			case past:
				p.NextBad, p.PreviousBad = host, last
				return
			case host == p.Of.Host:
				past = true
				continue
			case first == "":
				first = host
			}
			last = host
		}
		if list.Next == "" {
			break
		}
		query.Set("after", list.Next)
	}
	if v.problem = nil; past { // it is the last; without neighbours the page is whole, too
		p.PreviousBad = last
		return
	}
	p.NextBad = first
}
