package operation

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"tutti/api"
)

const (
	// linesType is a list as lines of JSON.
	linesType = "application/x-ndjson"
	// linesPage is how many items are asked for at once to write lines.
	linesPage = 1000
)

// A Page is the part of a list that is asked for, as a part of an input.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"how many items at most; application/x-ndjson has them all"`
	After  string `query:"after" maxLength:"1000" doc:"next of the page before"`
	Accept string `header:"Accept" hidden:"true"`
}

func (p *Page) page() *Page { return p }

// Paged is the input of a list: it embeds a [Page].
type Paged interface{ page() *Page }

// ListOf is the operation that answers with a list of items, page by page. part
// returns at most limit items after a key, and the key of the last; "" if no
// more follow. A key is any text, and "" is before the first; the cursor that the
// client gets is valid for this list and these filters only.
func ListOf[T any, I any, P interface {
	*I
	Paged
}](s Spec, part func(ctx context.Context, in P, key string, limit int) (items []T, last string, err error),
) Operation {
	s.Types = []string{"application/json", linesType}
	s.Problems = append(slices.Clone(s.Problems), BadCursor)
	return Of(s, func(ctx context.Context, in *I) (*Answer[api.List[T]], error) {
		page, request := P(in).page(), Request(ctx)
		key, err := openCursor(page.After, s.ID, request.URL.Query())
		if err != nil {
			return nil, err
		}
		if wantsLines(page.Accept) {
			return &Answer[api.List[T]]{stream: lines(func(key string) ([]T, string, error) {
				return part(ctx, in, key, linesPage)
			}, key)}, nil
		}
		items, last, err := part(ctx, in, key, page.Limit)
		if err != nil {
			return nil, err
		}
		answer := Reply(api.NewList(items, ""))
		if last != "" {
			answer.Body.Next = sealCursor(last, s.ID, request.URL.Query())
			answer.Header = http.Header{"Link": {nextLink(request, answer.Body.Next)}}
		}
		return answer, nil
	})
}

// wantsLines reports whether a client asks for lines of JSON.
func wantsLines(accept string) bool {
	for one := range strings.SplitSeq(accept, ",") {
		name, _, _ := strings.Cut(one, ";")
		if strings.EqualFold(strings.TrimSpace(name), linesType) {
			return true
		}
	}
	return false
}

// lines writes all items after a key. An error before the first line is answered with a
// problem.
func lines[T any](part func(key string) ([]T, string, error), key string) *Stream {
	items, last, err := part(key)
	if err != nil {
		return &Stream{Write: func(context.Context, http.ResponseWriter) error { return err }}
	}
	return &Stream{Type: linesType, Write: func(ctx context.Context, w http.ResponseWriter) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		for {
			limited(w) // the client may stop reading
			for i := range items {
				if err := enc.Encode(items[i]); err != nil {
					return err
				}
			}
			if last == "" || ctx.Err() != nil {
				return ctx.Err()
			}
			if items, last, err = part(last); err != nil {
				return err
			}
		}
	}}
}
