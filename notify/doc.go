// Package notify delivers the messages about jobs that the scheduler has put
// into its outbox: a Notifier takes them out, sends them to webhooks over HTTP
// or gives them to local commands, repeats what failed, and records what came
// of each attempt. It decides about no event and keeps nothing: which messages
// there are is the scheduler's decision, and the outbox is the store's.
package notify
