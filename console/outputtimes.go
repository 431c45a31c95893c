package console

import (
	"encoding/json"
	"html/template"
	"net/url"
	"strconv"

	"tutti/api"
	"tutti/api/event"
)

// A timedLine is a line of output as the events of a run have it.
type timedLine struct {
	Type         string     `json:"type"`
	Time         event.Time `json:"time"`
	Attempt      int        `json:"attempt"`
	Stream       string     `json:"stream"`
	Data         string     `json:"data"`
	Encoding     string     `json:"encoding"`
	Partial      bool       `json:"partial"`
	OmittedBytes int64      `json:"omitted_bytes"`
}

// readTimes lays out the output with the time of each line. The lines are those of the
// events of the run, which have both.
func readTimes(v *visit, p *outputPage) {
	attempt, _ := strconv.Atoi(p.Query.Get("attempt")) // the last is 0
	if attempt == 0 {
		attempt = p.Of.Attempts
	}
	stream := p.Query.Get("stream")
	query := url.Values{"hosts": {p.Of.Host}, "output": {"all"}, "until": {"record"}}
	var lines []logLine
	printers := map[string]*printer{}
	bytes := 0
	v.getLines(withQuery(at("/runs/{run}/events", v.r.PathValue("run")), query), func(data []byte) bool {
		var x timedLine
		if json.Unmarshal(data, &x) != nil || x.Type != "output" || x.Attempt != attempt || stream != "" && x.Stream != stream {
			return true
		}
		if bytes += len(x.Data); len(lines) == wholeLines || bytes > windowBytes {
			p.Cut = true
			return false
		}
		lines = append(lines, x.line(printers))
		return true
	})
	for i := range lines {
		lines[i].N = int64(i + 1)
	}
	p.blocks(lines)
}

// line is x as HTML, with the ink that its stream has left.
func (x *timedLine) line(printers map[string]*printer) logLine {
	if printers[x.Stream] == nil {
		printers[x.Stream] = &printer{}
	}
	line := logLine{At: x.Time}
	if x.OmittedBytes > 0 {
		line.HTML = template.HTML(`<span class="gap">(` + size(x.OmittedBytes) + ` are not in the record here)</span>`) //nolint:gosec // a number
	}
	part := api.OutputPart{Stream: x.Stream, Data: x.Data, Encoding: x.Encoding}
	text := printers[x.Stream].html(bytesOf(&part), !x.Partial)
	if x.Stream == "stderr" && text != "" {
		text = `<span class="stderr">` + text + `</span>`
	}
	line.HTML += text
	return line
}
