package server

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Why a base URL is refused.
var (
	errBaseURL  = errors.New("want a URL such as https://ops.example or https://ops.example/tutti")
	errBasePath = errors.New("the path may have letters, digits, . _ ~ and - between its slashes")
	errOwnPath  = errors.New("the path begins as one of the pages: whether a proxy took it away could not be told; want one such as /tutti")
)

// basePath is what the path of a base URL may be: what needs no escapes.
var basePath = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`)

// ownPaths are the first segments of what is served.
var ownPaths = []string{
	"access", "account", "api", "audit", "calendar", "controllers", "favicon.ico", "healthz", "help", "hosts", "job", "jobs", "login", "logout", "notifications", "problems", "queue", "readyz",
	"runs", "static", "task", "theme", "worker",
}

// ParseBaseURL reads the URL by which clients reach an API: its origin, such as
// https://ops.example, and the path below which all of it is, such as /tutti, or empty.
func ParseBaseURL(text string) (origin *url.URL, prefix string, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, "", errBaseURL
	}
	prefix = strings.TrimRight(u.Path, "/")
	first, _, _ := strings.Cut(strings.TrimPrefix(prefix, "/"), "/")
	switch {
	case u.RawPath != "" || !basePath.MatchString(prefix):
		return nil, "", errBasePath
	case slices.Contains(ownPaths, first):
		return nil, "", errOwnPath
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, prefix, nil
}
