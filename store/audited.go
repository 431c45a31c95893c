package store

import (
	"context"

	"tutti/access"
)

type auditedKey struct{}

// Audited is a context whose changes of jobs, and firings that are asked for with it, are
// written together with e: both or neither. The engine sets its Object and Outcome, and After
// to the version of the job. Where nothing changes nothing is added to the audit; where several
// jobs do, each adds e.
func Audited(ctx context.Context, e access.Entry) context.Context {
	return context.WithValue(ctx, auditedKey{}, e)
}

// AuditOf is the entry that an engine writes with the changes of ctx; ok is false if
// there is none.
func AuditOf(ctx context.Context) (e access.Entry, ok bool) {
	e, ok = ctx.Value(auditedKey{}).(access.Entry)
	return e, ok
}
