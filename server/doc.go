// Package server answers HTTP for the daemon: the API over its history and its fleet,
// its metrics, for Prometheus, and its health. What it serves is behind interfaces of
// its own; it decides nothing about runs and jobs, and keeps nothing.
//
// The operations are a table (package operation below this one): an entry has a
// function here that takes a typed request and returns a form of package api, or an
// error that explain makes a problem of. Which hosts a client may see is decided in
// one place, and given to every reader.
package server
