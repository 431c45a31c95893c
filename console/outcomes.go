package console

import (
	"net/url"

	"tutti/api"
)

// An outcomesPage is where the runs of a job fail: a row for each host, a column for each
// run.
type outcomesPage struct {
	jobRow
	Of   api.JobOutcomes
	Rows []outcomesRow
	// Bad is how many of the rows were not ok in some run.
	Bad   int
	Query url.Values
	CLI   string
}

// An outcomesRow is a host.
type outcomesRow struct {
	Host  string
	Bad   int
	Cells []outcomeCell
}

// An outcomeCell is how a host ended in a run; Outcome is empty if the run did not have
// it.
type outcomeCell struct {
	Outcome string
	Run     int64
}

func showOutcomes(v *visit) {
	name := v.r.PathValue("job")
	p := &outcomesPage{Query: chosen(v.r.URL.Query(), "runs", "hosts"), CLI: "tutti job log " + name}
	_, p.jobRow = askJob(v)
	v.get(&p.Of, withQuery(at("/jobs/{job}/outcomes", name), p.Query))
	for i := range p.Of.Hosts {
		host := &p.Of.Hosts[i]
		row := outcomesRow{Host: host.Host, Bad: host.Bad}
		for at, outcome := range host.Outcomes {
			if at < len(p.Of.Runs) {
				row.Cells = append(row.Cells, outcomeCell{outcome, p.Of.Runs[at].Run})
			}
		}
		if row.Bad > 0 {
			p.Bad++
		}
		p.Rows = append(p.Rows, row)
	}
	v.show("outcomes", "Where the job "+name+" fails", p)
}
