package store

import (
	"context"

	"tutti/access"
)

type auditedKey struct{}

// Audited is a context whose changes are written together with e, both or neither: changes
// of jobs, firings that are requested, requests to stop runs, the methods Submit, Move and
// Fail of [Queue], and [Store.Delete]; with [History.Prune] e is written with the first rows
// that are deleted.
// What e does not have of Object, Outcome and After the engine sets, After of a job to its
// version. Where nothing changes nothing is added to the audit; where several jobs do, each
// adds e.
func Audited(ctx context.Context, e access.Entry) context.Context {
	return context.WithValue(ctx, auditedKey{}, e)
}

// AuditOf is the entry that an engine writes with the changes of ctx; ok is false if
// there is none.
func AuditOf(ctx context.Context) (e access.Entry, ok bool) {
	e, ok = ctx.Value(auditedKey{}).(access.Entry)
	return e, ok
}
