package api

import (
	"encoding/json"

	"tutti/access"
	"tutti/api/event"
)

// A User is who may log in: what `user list --json` prints.
type User struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "user"
	User   string `json:"user"`
	// UserID distinguishes a user from an earlier one of the same name.
	UserID int64  `json:"user_id"`
	Role   string `json:"role"`
	// Scope is a selector; absent: all hosts.
	Scope    string `json:"scope,omitempty"`
	Disabled bool   `json:"disabled"`
	// Password is whether the user has one.
	Password bool `json:"password"`
	// Revision counts the changes, from 1.
	Revision  int64      `json:"revision"`
	CreatedAt event.Time `json:"created_at"`
	UpdatedAt event.Time `json:"updated_at"`
	UpdatedBy string     `json:"updated_by"`
	// LoginAt is when the user logged in last; absent: never.
	LoginAt *event.Time `json:"login_at,omitempty"`
}

// NewUser is the form of u.
func NewUser(u *access.User) User {
	return User{
		Schema: 1, Type: "user", User: u.Name, UserID: u.ID, Role: u.Role.String(), Scope: u.Scope, Disabled: u.Disabled,
		Password: u.Password != "", Revision: u.Revision, CreatedAt: event.Time(u.Created), UpdatedAt: event.Time(u.Updated),
		UpdatedBy: u.UpdatedBy, LoginAt: TimeOf(u.Login),
	}
}

// A Token lets a program in: what `token list --json` prints. It has no secret.
type Token struct {
	Schema  int    `json:"schema"` // 1
	Type    string `json:"type"`   // "token"
	Token   string `json:"token"`
	TokenID int64  `json:"token_id"`
	// Owner is the user whose rights limit those of the token; absent: there is none.
	Owner string `json:"owner,omitempty"`
	Role  string `json:"role"`
	// Scope is a selector; absent: all hosts.
	Scope string `json:"scope,omitempty"`
	// Jobs are the jobs that it is limited to; absent: no limit.
	Jobs []string `json:"jobs,omitempty"`
	// Users are the users of the hosts that it may log in as; absent: those of the
	// inventory.
	Users []string `json:"users,omitempty"`
	Sudo  bool     `json:"sudo"`
	// TaskSelector chooses the hosts of tasks that name none; absent: a task must name them.
	TaskSelector string `json:"task_selector,omitempty"`
	// AllowFrom are the networks that it may be used from; absent: any.
	AllowFrom []string   `json:"allow_from,omitempty"`
	CreatedAt event.Time `json:"created_at"`
	CreatedBy string     `json:"created_by"`
	ExpiresAt event.Time `json:"expires_at"`
	// UsedAt is when it was used last, to the hour; absent: never.
	UsedAt *event.Time `json:"used_at,omitempty"`
}

// NewToken is the form of t.
func NewToken(t *access.Token) Token {
	return Token{
		Schema: 1, Type: "token", Token: t.Name, TokenID: t.ID, Owner: t.OwnerName, Role: t.Role.String(), Scope: t.Scope,
		Jobs: t.Jobs, Users: t.Users, Sudo: t.Sudo, TaskSelector: t.TaskSelector, AllowFrom: t.AllowFrom.Texts(), CreatedAt: event.Time(t.Created),
		CreatedBy: t.CreatedBy, ExpiresAt: event.Time(t.Expires), UsedAt: TimeOf(t.Used),
	}
}

// An AuditEntry is an action, done or refused: what `audit --json` prints.
type AuditEntry struct {
	Schema int        `json:"schema"` // 1
	Type   string     `json:"type"`   // "audit"
	ID     int64      `json:"id"`
	At     event.Time `json:"at"`
	// Actor is absent where it is unknown.
	Actor string `json:"actor,omitempty"`
	// Via is "local", "unix", "session", "token", "proxy" or "certificate"; absent as Actor is.
	Via string `json:"via,omitempty"`
	// Remote is the address of the client; absent: this machine.
	Remote string `json:"remote,omitempty"`
	Action string `json:"action"`
	Object string `json:"object,omitempty"`
	// Outcome is "done", "refused" or "failed".
	Outcome string `json:"outcome"`
	// Before and After are the object before and after the action; absent if unknown.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	// Request is the number of the request in the log; absent: there was none.
	Request string `json:"request,omitempty"`
}

// NewAuditEntry is the form of e.
func NewAuditEntry(e *access.Entry) AuditEntry {
	return AuditEntry{
		Schema: 1, Type: "audit", ID: e.ID, At: event.Time(e.At), Actor: e.Actor, Via: string(e.Via), Remote: e.Remote,
		Action: e.Action, Object: e.Object, Outcome: string(e.Outcome), Before: e.Before, After: e.After, Request: e.Request,
	}
}
