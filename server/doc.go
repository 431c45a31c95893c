// Package server is what the daemon shows over HTTP: its metrics, for
// Prometheus, and its health. It decides nothing about jobs, sends nothing by
// itself, and keeps nothing.
package server
