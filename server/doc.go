// Package server is what the daemon shows and tells to others: Metrics and its
// health over HTTP, and messages about jobs, which a Notifier takes out of the
// outbox and delivers to webhooks and local commands. It decides nothing about
// jobs, and keeps nothing.
package server
