package client

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"strconv"

	"tutti/api"
)

const (
	// pageSize is how many items are asked for at once, and mostPages how often.
	pageSize  = 1000
	mostPages = 10_000
)

// list are the items of a list, at most n; 0: all.
func list[T any](ctx context.Context, c *Client, n int, query url.Values, segments ...string) ([]T, error) {
	var all []T
	q := maps.Clone(query)
	if q == nil {
		q = url.Values{}
	}
	for range mostPages {
		limit := pageSize
		if n > 0 {
			limit = min(limit, n-len(all))
		}
		q.Set("limit", strconv.Itoa(limit))
		var page api.List[T]
		if err := c.get(ctx, &page, q, segments...); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if n > 0 && len(all) >= n {
			return all[:n], nil
		}
		if page.Next == "" {
			return all, nil
		}
		q.Set("after", page.Next)
	}
	return nil, c.strange(errors.New("a list has no end"))
}
