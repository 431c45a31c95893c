package operation

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"strings"
)

type prefixKey struct{}

// Below serves h also below a prefix, such as /ops, which is where its clients see it: what
// h gets has no prefix, whether a proxy before it keeps the prefix or takes it away. The
// characters of a prefix need no escapes. An empty one is the root.
func Below(prefix string, h http.Handler) http.Handler {
	if prefix == "" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), prefixKey{}, prefix))
		if u, ok := without(prefix, r.URL); ok {
			r.URL = u
		}
		h.ServeHTTP(w, r)
	})
}

// without is u without the prefix. From a path that is not clean nothing is taken: the
// redirect to the one that is has to have the prefix.
func without(prefix string, u *url.URL) (*url.URL, bool) {
	escaped := u.EscapedPath()
	rest, ok := strings.CutPrefix(escaped, prefix)
	if !ok || rest != "" && rest[0] != '/' || path.Clean(escaped) != strings.TrimSuffix(escaped, "/") {
		return nil, false
	}
	below := *u
	below.Path, below.RawPath = "/"+strings.TrimPrefix(strings.TrimPrefix(u.Path, prefix), "/"), ""
	if u.RawPath != "" {
		below.RawPath = rest
	}
	return &below, true
}

// Prefix is that of [Below], with which what is said to a client has to begin; empty: the
// root.
func Prefix(ctx context.Context) string {
	prefix, _ := ctx.Value(prefixKey{}).(string)
	return prefix
}
