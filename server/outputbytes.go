package server

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"tutti/api"
	"tutti/server/operation"
	"tutti/store"
)

// badRange is the problem of bytes that cannot be had.
var badRange = operation.Kind{
	Name: "range", Title: "These bytes cannot be had", Status: http.StatusRequestedRangeNotSatisfiable,
	Text: "Want one range, such as bytes=0-1023, within what the host has written. Content-Range has how much that is.",
}

// A byteRange is what the header Range asks for.
type byteRange struct {
	// first and last are offsets; last is negative for all that follows. Of a suffix, first
	// is negative: that many bytes of the end.
	first, last int64
}

// parseRange reads a header Range; ok is false if it is not about bytes, and is ignored
// then, as HTTP wants it.
func parseRange(header string) (r byteRange, ok bool, err error) {
	unit, spec, _ := strings.Cut(header, "=")
	if !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return r, false, nil
	}
	if strings.Contains(spec, ",") {
		return r, false, badRange.Fail("several ranges at once are not served: ask for one after the other")
	}
	first, last, isRange := strings.Cut(strings.TrimSpace(spec), "-")
	r.last = -1
	var wrong error
	switch {
	case !isRange:
	case first == "":
		r.first, wrong = parseOffset(last)
		r.first = -r.first
		isRange = r.first < 0
	case last == "":
		r.first, wrong = parseOffset(first)
	default:
		r.first, wrong = parseOffset(first)
		r.last, err = parseOffset(last)
		wrong = cmp.Or(wrong, err)
		isRange = r.first <= r.last
	}
	if !isRange || wrong != nil {
		return r, false, badRange.Fail("want bytes=FIRST-LAST, bytes=FIRST- or bytes=-COUNT")
	}
	return r, true, nil
}

// parseOffset reads an offset, which has digits only.
func parseOffset(text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	return int64(n), err
}

// of is the range out of so many bytes; ok is false if it has none of them.
func (r byteRange) of(total int64) (first, last int64, ok bool) {
	first, last = r.first, total-1
	if first < 0 {
		first = max(0, total+first)
	}
	if r.last >= 0 {
		last = min(last, r.last)
	}
	return first, last, first <= last
}

// wanted is the range that a request asks for; ok is false if it asks for none.
// There are no validators, so that none in If-Range fits.
func (in *getOutputIn) wanted() (r byteRange, ok bool, err error) {
	if in.Range == "" || in.IfRange != "" {
		return r, false, nil
	}
	if r, ok, err = parseRange(in.Range); err != nil || !ok {
		return r, false, err
	}
	if in.Offset > 0 || in.Line > 0 || in.Tail > 0 || in.Bytes > 0 || in.Text != "" {
		return r, false, operation.Invalid.Fail("").With(api.InParameter("Range", "cannot be combined with a part that the query chooses"))
	}
	const bytes = "application/octet-stream"
	if prefers(in.Accept, bytes, "application/json", "text/plain") != bytes {
		return r, false, operation.Invalid.Fail("").With(api.InParameter("Range", "is of bytes: want Accept: "+bytes))
	}
	return r, true, nil
}

// farOffset is after the end of each output.
const farOffset = 1 << 62

// outputBytes is a range of what a host wrote: less than was asked for where that is
// too much for one answer, or where the history lacks bytes.
func (a runOps) outputBytes(ctx context.Context, in *getOutputIn, q store.OutputQuery, wanted byteRange) (*operation.Answer[any], error) {
	q.Offset = farOffset
	end, err := a.Runs.OutputRange(ctx, q)
	if err != nil {
		return nil, err
	}
	total := end.Next
	refuse := func(why string) error {
		failure := badRange.Fail(why)
		failure.Header = http.Header{"Content-Range": {"bytes */" + strconv.FormatInt(total, 10)}}
		return failure
	}
	first, last, ok := wanted.of(total)
	if !ok {
		return nil, refuse("the host has written " + strconv.FormatInt(total, 10) + " bytes")
	}
	q.Offset, q.Bytes = first, int(min(last-first+1, store.MaxOutput))
	part, err := a.Runs.OutputRange(ctx, q)
	if err != nil {
		return nil, err
	}
	var data []byte
	for _, p := range part.Parts {
		if p.Data == nil {
			break
		}
		data = append(data, p.Data...)
	}
	if len(data) == 0 {
		return nil, refuse("the history does not have them")
	}
	whole := "*" // it is still growing
	if part.Ended {
		whole = strconv.FormatInt(total, 10)
	}
	header := outputHeader()
	header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%s", first, first+int64(len(data))-1, whole))
	header.Set("Accept-Ranges", "bytes")
	in.nameFile(header, q.Run)
	return &operation.Answer[any]{
		Status: http.StatusPartialContent, Header: header, Body: operation.Bytes{Type: "application/octet-stream", Data: data},
	}, nil
}

// nameFile names a file for what is sent, if the client wants that.
func (in *getOutputIn) nameFile(header http.Header, run int64) {
	if in.download() {
		header.Set("Content-Disposition", fmt.Sprintf("attachment; filename=\"run-%d-%s.txt\"", run, fileWord(in.Host)))
	}
}
