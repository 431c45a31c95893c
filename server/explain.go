package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"tutti/access"
	"tutti/api"
	"tutti/internal/fault"
	"tutti/inventory"
	"tutti/jobs"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/server/operation"
	"tutti/store"
)

// The problems of the operations. What of them is promised is the name and the
// status.
var (
	notKnown     = operation.Kind{Name: "not-known", Title: "Who asks is not known", Status: http.StatusUnauthorized, Text: "Ask over the socket of the daemon, or send a token in the header Authorization: Bearer TOKEN."}
	noUsers      = operation.Kind{Name: "no-users", Title: "There are no users yet", Status: http.StatusUnauthorized, Text: "Nobody can log in. Users are made on the machine of the daemon first; there is no default user, and no default password."}
	lowRole      = operation.Kind{Name: "role", Title: "The role does not allow it", Status: http.StatusForbidden, Text: "Each operation has a least role: viewer, operator, editor or admin. An admin can give it."}
	outOfScope   = operation.Kind{Name: "scope", Title: "The scope does not allow it", Status: http.StatusForbidden, Text: "A user or token may be limited to the hosts of a selector. Nothing was done, on no host."}
	localOnly    = operation.Kind{Name: "local-only", Title: "This is only for the machine of the daemon", Status: http.StatusForbidden, Text: "Files, commands, keys and addresses of the daemon's machine are never taken from a request."}
	noRun        = operation.Kind{Name: "no-run", Title: "There is no such run", Status: http.StatusNotFound, Text: "Want a number, last, or last~1 for the one before."}
	prunedRun    = operation.Kind{Name: "pruned", Title: "The run was deleted", Status: http.StatusGone, Text: "Runs are deleted when they are older than the history keeps them."}
	noHost       = operation.Kind{Name: "no-host", Title: "The host had no part in it", Status: http.StatusNotFound, Text: "The hosts of a run are at /runs/RUN/hosts."}
	noJob        = operation.Kind{Name: "no-job", Title: "There is no such job", Status: http.StatusNotFound, Text: "The jobs are at /jobs."}
	brokenJob    = operation.Kind{Name: "job-broken", Title: "The job cannot be read", Status: http.StatusConflict, Text: "It was stored by another version. Replace it, or remove it."}
	jobExists    = operation.Kind{Name: "job-exists", Title: "There is a job of that name", Status: http.StatusConflict, Text: "Change it with PUT or PATCH, or choose another name."}
	jobChanged   = operation.Kind{Name: "changed", Title: "It was changed meanwhile", Status: http.StatusPreconditionFailed, Text: "If-Match names another version than there is. Read it again, and decide again."}
	notRunning   = operation.Kind{Name: "not-running", Title: "It is not running", Status: http.StatusConflict, Text: "What has ended cannot be stopped."}
	stillRunning = operation.Kind{Name: "running", Title: "The run has not ended", Status: http.StatusConflict, Text: "Wait until it has."}
	throttled    = operation.Kind{Name: "throttled", Title: "Too many attempts to log in", Status: http.StatusTooManyRequests, Text: "Wait as many seconds as Retry-After says."}
	noUser       = operation.Kind{Name: "no-user", Title: "There is no such user", Status: http.StatusNotFound, Text: "The users are at /users."}
	noToken      = operation.Kind{Name: "no-token", Title: "There is no such token", Status: http.StatusNotFound, Text: "The tokens are at /tokens."}
	nameTaken    = operation.Kind{Name: "name-taken", Title: "The name is taken", Status: http.StatusConflict, Text: "Choose another name."}
	lastAdmin    = operation.Kind{Name: "last-admin", Title: "It is the last admin", Status: http.StatusConflict, Text: "Nobody would be left who may manage users. Make another user an admin first."}
	noInventory  = operation.Kind{Name: "no-inventory", Title: "The daemon has no inventory", Status: http.StatusConflict, Text: "The inventory is found where the daemon runs, and read for each request."}
	noMatch      = operation.Kind{Name: "no-match", Title: "The selector means no host", Status: http.StatusUnprocessableEntity, Text: "A part of the selector means nothing in the inventory as it is now."}
	historyBusy  = operation.Kind{Name: "history-busy", Title: "The history is busy", Status: http.StatusServiceUnavailable, Text: "Another process keeps it locked. Try again after as many seconds as Retry-After says."}
	historyFull  = operation.Kind{Name: "history-full", Title: "There is no space for the history", Status: http.StatusServiceUnavailable, Text: "The disk of the daemon is full. Runs that are under way go on."}
	stopping     = operation.Kind{Name: "stopping", Title: "The daemon is stopping", Status: http.StatusServiceUnavailable, Text: "Try again when it has started again."}
)

// kinds are all of them.
var kinds = []operation.Kind{
	notKnown, noUsers, lowRole, outOfScope, localOnly, noRun, prunedRun, noHost, noJob, brokenJob, jobExists, jobChanged, noVersion, overlaps, notRunning,
	stillRunning, noInventory, noMatch, wrongHost, crossSite, tooOften, throttled, noUser, noToken, nameTaken, lastAdmin, historyBusy, historyFull, stopping,
	tooManyStreams, streamQuery,
	noChange, unconfirmed, partly,
	keyReused, queueFull, notQueued, noScript, badRange, noNotification,
}

// retryAfter adds how many seconds a client is to wait.
func retryAfter(f *operation.Failure, seconds string) *operation.Failure {
	f.Header = http.Header{"Retry-After": {seconds}}
	return f
}

// explain is the problem that an error of an operation is for its client; nil: it
// is one of ours. No text of a request is in it: which item of a list was wrong is
// said by its place.
func explain(err error) *operation.Failure {
	if err == nil {
		return nil
	}
	for _, rule := range []func(error) *operation.Failure{explainAccess, explainAccount, explainRun, explainJob, explainHistory, explainInput} {
		if f := rule(err); f != nil {
			f.Err = cmp.Or(f.Err, err)
			return f
		}
	}
	return nil
}

// explainTo is explain for the client that asks. What is wrong with a name, and which may
// have been meant, is for one that sees all names: another would learn from its mistakes
// which are outside its scope.
func explainTo(ctx context.Context, err error) *operation.Failure {
	f := explain(err)
	if f == nil {
		return nil
	}
	p := principalOf(ctx)
	switch limited := len(p.Scopes)+len(p.Jobs) > 0; {
	case limited && errors.As(err, new(*inventory.NoMatchError)):
		f.Detail = ""
	case !limited && f.Near != "":
		f.Hint = "did you mean " + f.Near + "?"
	}
	return f
}

func explainAccess(err error) *operation.Failure {
	if denied, ok := errors.AsType[*access.DeniedError](err); ok {
		return lowRole.Fail(denied.Error())
	}
	if outside, ok := errors.AsType[*access.ScopeError](err); ok {
		return outOfScope.Fail(outside.Error())
	}
	if local, ok := errors.AsType[*LocalError](err); ok {
		return localOnly.Fail(local.Error()).With(api.At("/"+local.Key, "is only for the machine of the daemon"))
	}
	if local, ok := errors.AsType[*runner.LocalKeyError](err); ok {
		return localOnly.Fail(local.Error()).With(api.At("/"+local.Key, "is only for the machine of the daemon"))
	}
	if unknown, ok := errors.AsType[*access.AuthError](err); ok {
		f := notKnown.Fail(unknown.Error())
		f.Header = http.Header{"Www-Authenticate": {`Bearer realm="tutti"`}}
		return f
	}
	return nil
}

// explainAccount is about users and tokens.
func explainAccount(err error) *operation.Failure {
	if wait, ok := errors.AsType[*access.ThrottledError](err); ok {
		return retryAfter(throttled.Fail(""), strconv.Itoa(int(wait.Wait.Seconds())+1))
	}
	if none, ok := errors.AsType[*access.MissingError](err); ok {
		kind := noUser
		if none.What == "token" {
			kind = noToken
		}
		return near(kind.Fail(""), none.Nearest)
	}
	if wrong, ok := errors.AsType[*access.ValueError](err); ok {
		return operation.Invalid.Fail("want " + wrong.Want)
	}
	if wrong, ok := errors.AsType[*access.PasswordError](err); ok {
		return operation.Invalid.Fail("").With(api.At("/password", wrong.Reason))
	}
	switch {
	case errors.As(err, new(*access.ExistsError)):
		return nameTaken.Fail("")
	case errors.As(err, new(*access.LastAdminError)):
		return lastAdmin.Fail("")
	}
	return nil
}

func explainRun(err error) *operation.Failure {
	if none, ok := errors.AsType[*store.NoRunError](err); ok {
		if n, isNumber := parseNumber(none.Ref); isNumber && n <= none.Newest {
			return prunedRun.Fail("")
		}
		return noRun.Fail("")
	}
	if f := explainQueue(err); f != nil {
		return f
	}
	switch {
	case errors.As(err, new(*store.RefError)):
		f := noRun.Fail("")
		f.Hint = "want a number such as 142, last, or last~1 for the one before"
		return f
	case errors.As(err, new(*runner.RunningError)):
		return stillRunning.Fail("")
	case errors.As(err, new(*store.NoHostError)):
		return noHost.Fail("")
	case errors.As(err, new(*store.KillError)):
		return notRunning.Fail("")
	}
	if none, ok := errors.AsType[*runner.NoHostError](err); ok {
		return near(noHost.Fail(""), none.Near)
	}
	return nil
}

// explainQueue is about runs that wait.
func explainQueue(err error) *operation.Failure {
	if full, ok := errors.AsType[*store.QueueFullError](err); ok {
		return retryAfter(queueFull.Fail(full.Error()), "10")
	}
	if other, ok := errors.AsType[*store.NotQueuedError](err); ok {
		return notQueued.Fail("it is " + string(other.State))
	}
	switch {
	case errors.As(err, new(*store.KeyReusedError)):
		return keyReused.Fail("")
	case errors.As(err, new(*store.NotEndedError)):
		return stillRunning.Fail("")
	case errors.Is(err, scheduler.ErrMaintenance):
		return noMatch.Fail("all its hosts are in maintenance")
	}
	return nil
}

func explainJob(err error) *operation.Failure {
	if none, ok := errors.AsType[*store.NoJobError](err); ok {
		return near(noJob.Fail(""), none.Nearest)
	}
	if removed, ok := errors.AsType[*jobs.RemovedError](err); ok {
		f := noJob.Fail("it was removed by " + removed.Last.User)
		f.Hint = "its firings are still at log"
		return f
	}
	if changed, ok := errors.AsType[*store.JobChangedError](err); ok {
		return jobChanged.Fail("it was changed by " + changed.By)
	}
	switch {
	case errors.As(err, new(*store.NoMessageError)):
		return noNotification.Fail("")
	case errors.As(err, new(*jobs.BrokenError)):
		return brokenJob.Fail("")
	case errors.As(err, new(*store.JobExistsError)):
		return jobExists.Fail("")
	}
	return nil
}

func explainHistory(err error) *operation.Failure {
	switch {
	case errors.Is(err, store.ErrBusy):
		return retryAfter(historyBusy.Fail(""), "2")
	case errors.Is(err, store.ErrFull):
		return retryAfter(historyFull.Fail(""), "60")
	case errors.Is(err, scheduler.ErrConflict), errors.Is(err, scheduler.ErrBusy):
		return retryAfter(historyBusy.Fail("others changed it at the same time"), "1")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return retryAfter(stopping.Fail(""), "5")
	}
	return nil
}

// explainInput is about mistakes in what a request asks for.
func explainInput(err error) *operation.Failure {
	if none, ok := errors.AsType[*inventory.NoMatchError](err); ok {
		return near(noMatch.Fail(none.Place()+" "+none.Reason()), strings.Join(none.Nearest, ", "))
	}
	if errors.As(err, new(*inventory.NotFoundError)) {
		return noInventory.Fail("")
	}
	if wrong := operation.InFile(err); wrong != nil {
		return operation.Invalid.Fail("the file is wrong").With(wrong...)
	}
	if wrong, ok := errors.AsType[*inventory.SelectorError](err); ok {
		return operation.Invalid.Fail("").With(inSelector(wrong))
	}
	if wrong, ok := errors.AsType[*scheduler.SyntaxError](err); ok {
		return operation.Invalid.Fail("").With(inSchedule(wrong))
	}
	if wrong, ok := errors.AsType[*runner.KeyError](err); ok {
		return operation.Invalid.Fail("").With(api.At("/"+wrong.Key, withoutQuoted(wrong.Err.Error())))
	}
	if wrong, ok := errors.AsType[*scheduler.KeyError](err); ok {
		return operation.Invalid.Fail("").With(api.At("/"+wrong.Key, withoutQuoted(wrong.Err.Error())))
	}
	if errors.As(err, new(*fault.UsageError)) {
		return operation.Invalid.Fail(withoutQuoted(err.Error()))
	}
	return nil
}

// near adds a name that may have been meant; "" is none.
func near(f *operation.Failure, name string) *operation.Failure {
	f.Near = name
	return f
}

// withoutQuoted is a text without what is quoted in it, which may be of the request.
func withoutQuoted(text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, `"`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("…")
		_, text, found = strings.Cut(rest, `"`)
		if !found {
			return b.String()
		}
	}
}

// Explain is what an error is for a client of another front: the status, what is wrong,
// and headers such as Retry-After. No text of a request is in it, nor of what is the
// server's own.
func Explain(err error) (status int, text string, header http.Header) {
	f, ok := errors.AsType[*operation.Failure](err)
	if !ok {
		f = explain(err)
	}
	if f == nil {
		f = operation.Internal.Fail("")
	}
	text = f.Kind.Title
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	for _, e := range f.Errors {
		place := e.Parameter
		if e.Pointer != nil {
			place = strings.TrimPrefix(*e.Pointer, "/")
		}
		text += "; " + place + ": " + e.Message
	}
	return f.Kind.Status, text, f.Header
}
