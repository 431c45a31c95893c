package access

import (
	"fmt"
	"time"

	"tutti/internal/phrase"
)

// What can be done about the errors of this package: the codes of their Advice, whose
// words the caller has.
const (
	// AdviceRole is for a role that is too low; its argument is the least that is enough.
	AdviceRole = "role too low"
	// AdviceScope is for hosts outside a scope.
	AdviceScope = "outside scope"
	// AdviceJobs is for what a token that is limited to jobs may not do.
	AdviceJobs = "token for jobs only"
	// AdviceNoUser and AdviceNoToken are for unknown names; the argument of AdviceNear is
	// the name that may have been meant.
	AdviceNoUser  = "no such user"
	AdviceNoToken = "no such token"
	AdviceNear    = "no such name but one like it"
	// AdviceUserExists and AdviceTokenExists have the name as their argument.
	AdviceUserExists  = "user exists already"
	AdviceTokenExists = "token exists already"
	// AdviceLastAdmin is for the last user that is an admin and may log in.
	AdviceLastAdmin = "last admin"
)

// A ValueError is a value that is not valid. Text is never a secret.
type ValueError struct{ What, Text, Want string }

func (e *ValueError) Error() string {
	return fmt.Sprintf("%q is not a %s: want %s", e.Text, e.What, e.Want)
}

// Advice is none: what is wanted is in the text.
func (e *ValueError) Advice() (code string, args []any) { return "", nil }

// A DeniedError is an action that the principal may not do.
type DeniedError struct {
	Action Action
	// Has and Needs are roles.
	Has, Needs Role
	// Jobs: it may start, stop and read only some jobs, whatever its role.
	Jobs bool
	// What is required in addition to the action, such as sudo; empty: nothing.
	What string
}

func (e *DeniedError) Error() string {
	switch {
	case e.What != "":
		return "not allowed: " + e.What
	case e.Jobs:
		return fmt.Sprintf("not allowed: %s: limited to some jobs", e.Action)
	}
	return fmt.Sprintf("not allowed: %s: the role is %s", e.Action, e.Has)
}

// Advice says what would be needed.
func (e *DeniedError) Advice() (code string, args []any) {
	switch {
	case e.What != "":
		return "", nil
	case e.Jobs:
		return AdviceJobs, nil
	}
	return AdviceRole, []any{e.Needs.String()}
}

// A ScopeError says that hosts are outside a scope. It names none of them.
type ScopeError struct {
	// Outside of Hosts hosts are outside.
	Outside, Hosts int
}

func (e *ScopeError) Error() string {
	return fmt.Sprintf("%d of %s outside the scope", e.Outside, phrase.Count(e.Hosts, "host"))
}

// Advice says who can do something about it.
func (e *ScopeError) Advice() (code string, args []any) { return AdviceScope, nil }

// A Refusal is why a principal is not let in.
type Refusal string

// The refusals. The text for the client is the same for Wrong and Unknown.
const (
	Wrong    Refusal = "wrong"    // the password
	Unknown  Refusal = "unknown"  // no such user, token, session or link
	Damaged  Refusal = "damaged"  // not a token: another form, or mistyped
	Disabled Refusal = "disabled" // the user is
	Expired  Refusal = "expired"  // the token, session or link is
	Network  Refusal = "network"  // the token is not for that address
	Peer     Refusal = "peer"     // that user of this machine has no access
)

// An AuthError is a failed authentication. Its text is for the client; Why and Name are
// for the audit.
type AuthError struct {
	// What was shown: "password", "token", "session", "login link" or "peer".
	What string
	Why  Refusal
	// Name is who it is or claims to be; empty: unknown.
	Name string
}

func (e *AuthError) Error() string {
	switch {
	case e.Why == Peer:
		return "this user of the machine has no access"
	case e.Why == Disabled:
		return "the user is disabled"
	case e.What == "password":
		return "wrong name or password"
	case e.Why == Damaged:
		return "this is not a token, or part of one"
	case e.Why == Expired:
		return "the " + e.What + " has expired"
	case e.Why == Network:
		return "the token may not be used from this address"
	}
	return "the " + e.What + " is not valid"
}

// Advice is none: it would help to guess.
func (e *AuthError) Advice() (code string, args []any) { return "", nil }

// A ThrottledError says that there were too many tries to log in.
type ThrottledError struct {
	// Wait is how long until another may succeed; more than 0.
	Wait time.Duration
}

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many attempts to log in: try again in %s", phrase.Count(int((e.Wait+time.Second-1)/time.Second), "second"))
}

// A MissingError is a name that no user or token has.
type MissingError struct {
	// What is "user" or "token".
	What, Name string
	// Nearest is the name that may have been meant; empty: none is near.
	Nearest string
}

func (e *MissingError) Error() string { return fmt.Sprintf("no %s %q", e.What, e.Name) }

// Advice says which there is.
func (e *MissingError) Advice() (code string, args []any) {
	switch {
	case e.Nearest != "":
		return AdviceNear, []any{e.Nearest, e.What}
	case e.What == "token":
		return AdviceNoToken, nil
	}
	return AdviceNoUser, nil
}

// An ExistsError says that there is a user, or a token, of that name.
type ExistsError struct{ What, Name string }

func (e *ExistsError) Error() string { return fmt.Sprintf("%s %q already exists", e.What, e.Name) }

// Advice says how to get at it.
func (e *ExistsError) Advice() (code string, args []any) {
	if e.What == "token" {
		return AdviceTokenExists, []any{e.Name}
	}
	return AdviceUserExists, []any{e.Name}
}

// A LastAdminError is a change after which no user could manage users.
type LastAdminError struct{ Name string }

func (e *LastAdminError) Error() string { return fmt.Sprintf("user %q is the last admin", e.Name) }

// Advice says how to go on.
func (e *LastAdminError) Advice() (code string, args []any) { return AdviceLastAdmin, nil }

// A PasswordError says what is wrong with a new password, without the password.
type PasswordError struct{ Reason string }

func (e *PasswordError) Error() string { return "password " + e.Reason }
