package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tutti/api"
	"tutti/fanout"
	"tutti/server/operation"
	"tutti/store"
)

type listRunHostsIn struct {
	RunPath
	operation.Page
	State   []string `query:"state" enum:"waiting,running,retrying,ended" doc:"in one of these states"`
	Outcome []string `query:"outcome" enum:"ok,failed,timeout,lost,unreachable,canceled,skipped" doc:"ended with one of these"`
	Host    string   `query:"host" maxLength:"256" doc:"with that in the name"`
	Started string   `query:"started" enum:"true,false" doc:"whether the command was sent"`
}

func (a runOps) listRunHosts(ctx context.Context, in *listRunHostsIn, key string, limit int) ([]api.RunHost, string, error) {
	run, _, err := a.run(ctx, in.Run)
	if err != nil {
		return nil, "", err
	}
	from, err := numberOf(key)
	if err != nil {
		return nil, "", err
	}
	q := store.ResultQuery{Run: run.ID, From: int(from), Limit: limit, Name: in.Host}
	for _, word := range in.State {
		q.Phases = append(q.Phases, store.Phase(word))
	}
	if q.Outcomes, err = outcomesOf(in.Outcome); err != nil {
		return nil, "", err
	}
	if in.Started != "" {
		started := in.Started == "true"
		q.Started = &started
	}
	if q.Visible, err = a.visible(ctx); err != nil {
		return nil, "", err
	}
	page, err := a.Runs.ResultsPage(ctx, q)
	if err != nil {
		return nil, "", err
	}
	items := make([]api.RunHost, len(page.Hosts))
	for i := range page.Hosts {
		items[i] = api.NewRunHost(run.ID, &page.Hosts[i])
	}
	if page.Next == 0 {
		return items, "", nil
	}
	return items, strconv.Itoa(page.Next), nil
}

// RunHostPath is a host of a run in a path.
type RunHostPath struct {
	RunPath
	HostPath
}

// runHost is the run of a path, if who asks may see it and the host.
func (a runOps) runHost(ctx context.Context, in *RunHostPath) (store.Run, error) {
	run, _, err := a.run(ctx, in.Run)
	if err != nil {
		return run, err
	}
	visible, err := a.visible(ctx)
	if err == nil && visible != nil && !visible(in.Host) {
		err = noHost.Fail("")
	}
	return run, err
}

func (a runOps) getRunHost(ctx context.Context, in *RunHostPath) (*operation.Answer[api.RunHostDetails], error) {
	run, err := a.runHost(ctx, in)
	if err != nil {
		return nil, err
	}
	page, err := a.Runs.ResultsPage(ctx, store.ResultQuery{Run: run.ID, Hosts: []string{in.Host}, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(page.Hosts) == 0 {
		return nil, noHost.Fail("")
	}
	earlier, err := a.Runs.Attempts(ctx, run.ID, in.Host)
	if err != nil {
		return nil, err
	}
	form := api.RunHostDetails{RunHost: api.NewRunHost(run.ID, &page.Hosts[0]), Earlier: []api.Attempt{}}
	for i := range earlier {
		form.Earlier = append(form.Earlier, api.NewAttempt(&earlier[i]))
	}
	return operation.Reply(form), nil
}

type getOutputIn struct {
	RunHostPath
	Stream   []string `query:"stream" enum:"stdout,stderr" doc:"these streams; both, if it is not given"`
	Attempt  string   `query:"attempt" maxLength:"10" pattern:"^(last|[1-9][0-9]*)$" patternDescription:"a number or last" doc:"of that attempt; the last, if it is not given"`
	Offset   int64    `query:"offset" minimum:"0" doc:"from that byte on"`
	Bytes    int      `query:"bytes" minimum:"1" maximum:"8388608" doc:"at most so many bytes"`
	Line     int64    `query:"line" minimum:"1" doc:"from that line on"`
	Lines    int64    `query:"lines" minimum:"1" doc:"at most so many lines"`
	Tail     int64    `query:"tail" minimum:"1" doc:"the last lines"`
	Count    bool     `query:"count" doc:"as JSON: also how many lines there are, of an attempt that has ended"`
	Text     string   `query:"q" maxLength:"1000" doc:"which lines have that text, as JSON"`
	Fold     bool     `query:"fold" doc:"the text may have other letters, large or small"`
	After    string   `query:"after" maxLength:"200" doc:"next of the search before"`
	Download string   `query:"download" enum:"true,false" doc:"name a file for it; also without a value"`
	Range    string   `header:"Range" maxLength:"200" doc:"bytes=FIRST-LAST, of application/octet-stream: one range of the bytes, with 206"`
	IfRange  string   `header:"If-Range" hidden:"true"`
	Accept   string   `header:"Accept" hidden:"true"`
}

// download reports whether the client wants a file.
func (in *getOutputIn) download() bool { return in.Download == "true" }

func (a runOps) getOutput(ctx context.Context, in *getOutputIn) (*operation.Answer[any], error) {
	run, err := a.runHost(ctx, &in.RunHostPath)
	if err != nil {
		return nil, err
	}
	if in.Download == "" && operation.Request(ctx).URL.Query().Has("download") {
		in.Download = "true"
	}
	attempt := 0
	if in.Attempt != "" && in.Attempt != "last" {
		if attempt, err = strconv.Atoi(in.Attempt); err != nil {
			return nil, operation.Invalid.Fail("").With(api.InParameter("attempt", "is too large"))
		}
	}
	var streams []fanout.Stream
	for _, word := range in.Stream {
		streams = append(streams, map[string]fanout.Stream{"stdout": fanout.Stdout, "stderr": fanout.Stderr}[word])
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.Text != "" {
		return a.search(ctx, in, store.SearchQuery{Run: run.ID, Host: in.Host, Attempt: attempt, Streams: streams, Text: in.Text, Fold: in.Fold})
	}
	q := store.OutputQuery{
		Run: run.ID, Host: in.Host, Attempt: attempt, Streams: streams,
		Offset: in.Offset, Bytes: in.Bytes, Line: in.Line, Lines: in.Lines, Tail: in.Tail,
	}
	wanted, some, err := in.wanted()
	if err != nil {
		return nil, err
	}
	if some {
		return a.outputBytes(ctx, in, q, wanted)
	}
	lines, err := a.lookUp(ctx, &q, in.Count)
	if err != nil {
		return nil, err
	}
	part, err := a.Runs.OutputRange(ctx, q)
	if err != nil {
		return nil, err
	}
	return outputAnswer(in, run.ID, &part, lines), nil
}

// lookUp has a query for a line far down start near it, and says how many lines there are
// if that is asked for; 0: it is not, or not known yet.
func (a runOps) lookUp(ctx context.Context, q *store.OutputQuery, count bool) (lines int64, err error) {
	if q.Line < indexedFrom && !count {
		return 0, nil
	}
	one := *q
	one.Offset, one.Line, one.Lines, one.Tail, one.Bytes = 0, 0, 0, 0, 1
	first, err := a.Runs.OutputRange(ctx, one)
	if err != nil || !first.Ended || first.Attempt == 0 {
		return 0, err
	}
	q.Attempt = first.Attempt
	index, err := a.indexes.of(ctx, a.Runs, *q)
	if err != nil {
		return 0, err
	}
	if q.Line > 0 {
		q.Known = index.known(q.Line)
	}
	if count {
		lines = index.lines
	}
	return lines, nil
}

// check refuses parameters of which only one counts.
func (in *getOutputIn) check() error {
	chosen := 0
	for _, set := range []bool{in.Offset > 0, in.Line > 0, in.Tail > 0, in.Text != ""} {
		if set {
			chosen++
		}
	}
	switch {
	case chosen > 1:
		return operation.Invalid.Fail("only one of offset, line, tail and q can be given")
	case in.Lines > 0 && in.Line == 0:
		return operation.Invalid.Fail("").With(api.InParameter("lines", "needs line"))
	case in.Text == "" && (in.Fold || in.After != ""):
		return operation.Invalid.Fail("").With(api.InParameter("q", "is missing"))
	case strings.Contains(in.Text, "\n"):
		return operation.Invalid.Fail("").With(api.InParameter("q", "is looked for within a line"))
	}
	return nil
}

// outputAnswer is a part of what a host wrote, as the client accepts it.
func outputAnswer(in *getOutputIn, run int64, part *store.OutputRange, lines int64) *operation.Answer[any] {
	header := outputHeader()
	header.Set("Tutti-Omitted", strconv.FormatInt(part.Omitted, 10))
	header.Set("Tutti-Next", strconv.FormatInt(part.Next, 10))
	media := prefers(in.Accept, "application/json", "text/plain", "application/octet-stream")
	if in.nameFile(header, run); in.download() {
		if in.Accept == "" || media == "application/json" {
			media = "application/octet-stream"
		}
	}
	answer := &operation.Answer[any]{Header: header}
	if media == "application/json" {
		answer.Body = api.OutputRange{
			Schema: 1, Type: "output_range", Run: run, Host: in.Host, Attempt: part.Attempt, Offset: part.Offset, Next: part.Next,
			NextLine: part.NextLine, Lines: lines, Omitted: part.Omitted, More: part.More, Ended: part.Ended, Parts: api.NewOutputParts(part.Parts),
		}
		return answer
	}
	var b bytes.Buffer
	for _, p := range part.Parts {
		b.Write(p.Data)
	}
	if media == "text/plain" {
		answer.Body = operation.Bytes{Type: "text/plain; charset=utf-8", Data: bytes.ToValidUTF8(b.Bytes(), []byte("\uFFFD"))}
		return answer
	}
	header.Set("Accept-Ranges", "bytes")
	answer.Body = operation.Bytes{Type: media, Data: b.Bytes()}
	return answer
}

// outputHeader keeps browsers from doing anything with what hosts wrote.
func outputHeader() http.Header {
	return http.Header{
		"Content-Security-Policy": {"sandbox; default-src 'none'"},
		"Cache-Control":           {"no-store"},
	}
}

// fileWord is a name as a part of the name of a file, whatever reads the header.
func fileWord(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
}

// searchTime is how long a search takes at most; then the client may go on.
const searchTime = 2 * time.Second

func (a runOps) search(ctx context.Context, in *getOutputIn, q store.SearchQuery) (*operation.Answer[any], error) {
	if err := openPlace(in.After, &q.From); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	found, err := a.Runs.SearchOutput(ctx, q)
	if err != nil {
		return nil, err
	}
	form := api.Search{Schema: 1, Type: "search", Run: q.Run, Host: q.Host, Attempt: found.Attempt, Hits: []api.SearchHit{}, More: found.More}
	for _, hit := range found.Hits {
		form.Hits = append(form.Hits, api.SearchHit{Line: hit.Line, Offset: hit.Offset})
	}
	if found.More {
		form.Next = sealPlace(found.Next)
	}
	return &operation.Answer[any]{Header: outputHeader(), Body: form}, nil
}

// sealPlace is the cursor of a place where a search has stopped.
func sealPlace(p store.SearchPlace) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d %t", p.Offset, p.Line, p.Returned))
}

// openPlace reads such a cursor; "" is the beginning.
func openPlace(cursor string, p *store.SearchPlace) error {
	if cursor == "" {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		_, err = fmt.Sscanf(string(text), "%d %d %t", &p.Offset, &p.Line, &p.Returned)
	}
	if err != nil || p.Offset < 0 || p.Line < 0 {
		return operation.BadCursor.Fail("")
	}
	return nil
}

// prefers is the first of the types that a client accepts, in its order; the first of
// them if it accepts anything, or none.
func prefers(accept string, types ...string) string {
	for one := range strings.SplitSeq(accept, ",") {
		name, _, _ := strings.Cut(one, ";")
		for _, t := range types {
			if name = strings.TrimSpace(name); strings.EqualFold(name, t) || name == "text/*" && t == "text/plain" {
				return t
			}
		}
	}
	return types[0]
}
