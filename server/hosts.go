package server

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"tutti/server/operation"
)

// wrongHost is the problem of a request that was meant for another server.
var wrongHost = operation.Kind{
	Name: "wrong-host", Title: "The request is for another host", Status: http.StatusMisdirectedRequest,
	Text: "The header Host names none of the names of this server. The base URL says which name it has.",
}

// guard refuses requests that no operation is to see.
func (a *API) guard(r *http.Request) *operation.Failure {
	if e := endpointOf(r.Context()); e != nil && !e.takesHost(r) {
		return wrongHost.Fail("")
	}
	if err := a.cross.Check(r); err != nil {
		return crossSite.Fail("")
	}
	return nil
}

// equalHost compares names of hosts.
func equalHost(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(unbracket(a), "."), strings.TrimSuffix(unbracket(b), "."))
}

// unbracket is an IPv6 address without its brackets.
func unbracket(host string) string {
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// location is the header that says where something new is.
func location(ctx context.Context, path, name string) http.Header {
	return http.Header{"Location": {operation.Prefix(ctx) + base + path + url.PathEscape(name)}}
}
