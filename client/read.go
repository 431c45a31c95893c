package client

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"tutti/api"
)

// Hosts are the hosts of the server's inventory that a selector selects.
func (c *Client) Hosts(ctx context.Context, selector string) ([]api.Host, error) {
	return list[api.Host](ctx, c, 0, values("selector", selector), "hosts")
}

// values is a query of names and values; empty ones are left out.
func values(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if strings.TrimSpace(pairs[i+1]) != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// addWords adds a list to a query, if it is not empty.
func addWords[T fmt.Stringer](q url.Values, name string, list []T) {
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = w.String()
	}
	if len(words) > 0 {
		q.Set(name, strings.Join(words, ","))
	}
}
