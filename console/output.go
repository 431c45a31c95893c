package console

import (
	"cmp"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tutti/api"
	"tutti/api/event"
)

const (
	// wholeLines is how long output may be to be on one page, and windowLines how much of
	// longer output is.
	wholeLines, windowLines = 20000, 5000
	// firstLines are shown first of output that is certainly longer than a page.
	firstLines = 1000
	// tailLines are shown of a host that is writing.
	tailLines = 2000
	// blockLines is how many lines a browser lays out at once.
	blockLines = 500
	// windowBytes is how much of output is on a page at most.
	windowBytes = 4 << 20
)

// A logLine is a line of output, and whether the search has found something in it.
type logLine struct {
	N    int64
	HTML template.HTML
	Hit  bool
	// At is when it came; zero: that is not shown.
	At event.Time
}

// A logBlock is lines that are laid out together.
type logBlock struct {
	Start int64
	Lines []logLine
}

// An outputPage is what a host wrote in a run.
type outputPage struct {
	*runHead
	Of     api.RunHostDetails
	Row    hostRow
	Range  api.OutputRange
	Blocks []logBlock
	// Query is what the form chooses: stream, attempt, q.
	Query url.Values
	// Tail: the newest lines are shown, without numbers.
	Tail bool
	// Before, After and End are the addresses of other windows; empty: there are none.
	Before, After, End string
	// Long is the line that has to be seen of output that a script shows in a scroller; 0:
	// all of it is here, or it goes on. Count is where the script asks how long it is.
	Long   int64
	Count  string
	Search *searched
	// Times: each line has its time, and Cut: not all lines are shown so. TimesPath and
	// PlainPath are the addresses of the page with and without them.
	Times, Cut           bool
	TimesPath, PlainPath string
	// PreviousBad and NextBad are the hosts before and after this one that are not ok;
	// empty: there are none.
	PreviousBad, NextBad string
	Attempts             []int
	Download             string
	// Recent are the newest runs of the host, if the inventory has it.
	Recent []api.HostRun
}

// A searched is what was found, and where to go on.
type searched struct {
	Hits           int
	At             int // from 1
	More           bool
	Previous, Next string
}

// Open: the host has not ended.
func (p *outputPage) Open() bool { return p.Row.Outcome == "" && p.Live() }

func showOutput(v *visit) {
	run, host := v.r.PathValue("run"), v.r.PathValue("host")
	p := &outputPage{runHead: headOf(v, "host"), Query: chosen(v.r.URL.Query(), "stream", "attempt", "q")}
	address := at("/runs/{run}/hosts/{host}", run, host)
	if v.get(&p.Of, address) {
		p.Row = newHostRow(&p.Of.RunHost)
		readOutput(v, p, address)
	}
	if v.problem != nil && v.problem.Status != http.StatusUnprocessableEntity {
		v.fail(v, v.problem)
		return
	}
	title := host + " in run " + run
	p.CLI = "tutti show " + run
	if v.problem != nil {
		v.again("output", title, p)
		return
	}
	if !v.r.URL.Query().Has("lines") { // of a scroller, which takes the lines only
		addNeighbours(v, p)
		addRecent(v, p, host)
	}
	v.show("output", title, p)
}

// addRecent adds the newest runs of a host. That the inventory does not have it any more, or
// is not for who looks, is no problem of this page.
func addRecent(v *visit, p *outputPage, host string) {
	var known api.FleetHostDetails
	if v.get(&known, at("/hosts/{host}", host)) {
		p.Recent = known.Runs[:min(len(known.Runs), 20)]
	}
	v.problem = nil
}

// readOutput asks for the window of the output that the address chooses.
func readOutput(v *visit, p *outputPage, address string) {
	shared := chosen(p.Query, "stream", "attempt")
	for n := 1; n <= p.Of.Attempts; n++ {
		p.Attempts = append(p.Attempts, n)
	}
	download := chosen(p.Query, "stream", "attempt")
	download.Set("download", "true")
	p.Download = apiBase + withQuery(address+"/output", download)
	timed := chosen(p.Query, "stream", "attempt")
	p.PlainPath = withQuery(address, timed)
	timed.Set("times", "1")
	p.TimesPath = withQuery(address, timed)
	if p.Times = v.r.URL.Query().Has("times"); p.Times {
		readTimes(v, p)
		return
	}
	from, _ := strconv.ParseInt(v.r.URL.Query().Get("from"), 10, 64) // none is 0
	hits := searchOutput(v, p, address, shared)
	line := int64(1) // one that has to be on the page
	if len(hits) > 0 {
		line = hits[p.Search.At-1].Line
	}
	p.Tail = from == 0 && len(hits) == 0 && (p.Open() || v.r.URL.Query().Has("tail"))
	ask := chosen(shared, "stream", "attempt")
	ask.Set("bytes", strconv.Itoa(windowBytes))
	first, lines := from, windowLines
	if n, err := strconv.Atoi(v.r.URL.Query().Get("lines")); err == nil && n > 0 && n < windowLines {
		lines = n
	}
	switch {
	case p.Tail:
		ask.Set("tail", strconv.Itoa(tailLines))
	case from == 0 && line <= firstLines && p.Of.StdoutBytes+p.Of.StderrBytes > windowBytes:
		first, lines = 1, firstLines // it cannot be on one page
	case from == 0 && line <= wholeLines:
		first, lines = 1, wholeLines
	case from == 0:
		first = windowOf(line)
	}
	if !p.Tail {
		ask.Set("line", strconv.FormatInt(first, 10))
		ask.Set("lines", strconv.Itoa(lines))
	}
	if v.get(&p.Range, withQuery(address+"/output", ask)) {
		p.lay(address, max(1, first), line, hits)
	}
}

// windowOf is the first line of the window that a line of long output is in.
func windowOf(line int64) int64 { return (line-1)/windowLines*windowLines + 1 }

// searchOutput looks for the text of the form. A hit is chosen by its number in the address.
func searchOutput(v *visit, p *outputPage, address string, shared url.Values) []api.SearchHit {
	text := p.Query.Get("q")
	if text == "" {
		return nil
	}
	ask := chosen(shared, "stream", "attempt")
	ask.Set("q", text)
	ask.Set("fold", "true")
	var found api.Search
	if !v.get(&found, withQuery(address+"/output", ask)) {
		return nil
	}
	p.Search = &searched{Hits: len(found.Hits), More: found.More}
	if len(found.Hits) == 0 {
		return nil
	}
	n, _ := strconv.Atoi(v.r.URL.Query().Get("hit"))
	s := p.Search
	s.At = min(max(1, n), s.Hits)
	to := func(n int) string {
		query := chosen(p.Query, "stream", "attempt", "q")
		query.Set("hit", strconv.Itoa(n))
		return withQuery(address, query) + "#L" + strconv.FormatInt(found.Hits[n-1].Line, 10)
	}
	if s.At > 1 {
		s.Previous = to(s.At - 1)
	}
	if s.At < s.Hits {
		s.Next = to(s.At + 1)
	}
	return found.Hits
}

// lay lays out the lines of the range, which begins with the line first. Of output that
// is longer than a page it leaves the window that has the line.
func (p *outputPage) lay(address string, first, line int64, hits []api.SearchHit) {
	lines := linesOf(chunksOf(p.Range.Parts))
	more := p.Range.More
	if start := windowOf(line) - first; more && !p.Tail && len(lines) > windowLines && start >= 0 && start < int64(len(lines)) {
		lines = lines[start:]
		lines, first = lines[:min(len(lines), windowLines)], first+start
	}
	for i := range lines {
		lines[i].N = first + int64(i)
		_, lines[i].Hit = slices.BinarySearchFunc(hits, lines[i].N, func(h api.SearchHit, n int64) int { return cmp.Compare(h.Line, n) })
	}
	p.blocks(lines)
	to := func(name string, n int64) string {
		query := chosen(p.Query, "stream", "attempt")
		query.Set(name, strconv.FormatInt(n, 10))
		return withQuery(address, query)
	}
	if p.Tail {
		p.Before = to("from", 1)
		return
	}
	if p.Range.Ended && (more || first > 1) {
		p.Long = max(1, line, first)
		count := chosen(p.Query, "stream", "attempt")
		count.Set("line", "1")
		count.Set("lines", "1")
		count.Set("count", "true")
		p.Count = apiBase + withQuery(address+"/output", count)
	}
	if first > 1 {
		p.Before = to("from", max(1, first-windowLines))
	}
	if more {
		p.After, p.End = to("from", first+max(1, int64(len(lines)))), to("tail", 1)
	}
}

// blocks lays out lines that are numbered.
func (p *outputPage) blocks(lines []logLine) {
	for block := range slices.Chunk(lines, blockLines) {
		p.Blocks = append(p.Blocks, logBlock{block[0].N, block})
	}
}

// linesOf cuts chunks into lines. The spans of a chunk end with its lines.
func linesOf(chunks []chunk) []logLine {
	var lines []logLine
	var b strings.Builder
	open := false
	for i := range chunks {
		c := &chunks[i]
		if c.Omitted > 0 {
			open = true
			b.WriteString(`<span class="gap">(` + size(c.Omitted) + ` are not in the record here)</span>`)
			continue
		}
		for text := string(c.Text); text != ""; {
			line, rest, ended := strings.Cut(text, "\n")
			open = true
			if c.Stream == "stderr" && line != "" {
				line = `<span class="stderr">` + line + `</span>`
			}
			b.WriteString(line)
			if ended {
				lines = append(lines, logLine{HTML: template.HTML(b.String())}) //nolint:gosec // it is of chunks
				b.Reset()
				open = false
			}
			text = rest
		}
	}
	if open {
		lines = append(lines, logLine{HTML: template.HTML(b.String())}) //nolint:gosec // it is of chunks
	}
	return lines
}
