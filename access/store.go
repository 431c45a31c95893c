package access

import (
	"context"
	"encoding/json"
	"time"
)

// A User may log in.
type User struct {
	// ID is never used again; a name may be given to another user later.
	ID   int64
	Name string
	Role Role
	// Scope is the selector of its hosts; empty: all.
	Scope string
	// Password is the result of [Hasher.Hash]; empty: it has none, and cannot log in with
	// one.
	Password string
	Disabled bool
	// Revision counts its changes, from 1.
	Revision         int64
	Created, Updated time.Time
	// UpdatedBy is who changed it last.
	UpdatedBy string
	// Login is when it logged in last; zero: never.
	Login time.Time
}

// A Token lets a program in.
type Token struct {
	ID   int64
	Name string
	// Owner is the user whose rights bound those of the token, and OwnerName its name;
	// 0: it was made by a user that can write the history, and has no owner.
	Owner     int64
	OwnerName string
	Hash      Hash
	Role      Role
	Scope     string // as of a user
	// Jobs, Users and Sudo are as of a [Principal].
	Jobs, Users []string
	Sudo        bool
	// TaskSelector chooses the hosts of tasks and jobs that name none; empty: they must
	// name them. It gives no right.
	TaskSelector string
	// AllowFrom is where it may be used from.
	AllowFrom Networks
	Created   time.Time
	CreatedBy string
	Expires   time.Time
	// Used is when it was used last, to the hour; zero: never.
	Used time.Time
}

// Sessions and login links end by themselves.
const (
	SessionIdle = 12 * time.Hour     // without a request
	SessionLife = 7 * 24 * time.Hour // in any case
	LinkLife    = 15 * time.Minute
	// TokenLife is how long a token is valid by default, and MaxTokenLife at most.
	TokenLife    = 90 * 24 * time.Hour
	MaxTokenLife = 365 * 24 * time.Hour
	// AuditLife is how long the audit is kept.
	AuditLife = 365 * 24 * time.Hour
)

// A Session is a user who has logged in.
type Session struct {
	Hash    Hash
	User    int64
	Created time.Time
	// Used is when it was used last, to the minute.
	Used   time.Time
	Remote string
}

// Ends is when the session ends unless it is used again.
func (s *Session) Ends() time.Time {
	idle, life := s.Used.Add(SessionIdle), s.Created.Add(SessionLife)
	if life.Before(idle) {
		return life
	}
	return idle
}

// A Link lets a user log in once, to choose a password.
type Link struct {
	Hash    Hash
	User    int64
	Created time.Time
	Expires time.Time
}

// By is who does something and how, for the audit.
type By struct {
	// Actor is the name of a principal; empty: unknown.
	Actor string
	Via   Via
	// Remote is the address of the other end; empty: this machine.
	Remote string
	// Request is the number of the request in the log; empty: there is none.
	Request string
	At      time.Time
}

// An Outcome is the result of an action.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused"
	Failed  Outcome = "failed"
)

// An Entry is a line of the audit. It has no secret, and only the names of variables.
type Entry struct {
	ID int64
	By
	// Action is a word such as user.add, token.use, run.start; Object is its object, such
	// as user:ann or run:418.
	Action, Object string
	Outcome        Outcome
	// Before and After are the object before and after, or why the action was refused, as
	// JSON; nil: unknown.
	Before, After json.RawMessage
}

// An AuditQuery chooses entries, the newest first. The zero value chooses all.
type AuditQuery struct {
	Actor string
	// Action is one, or the part before the point of several.
	Action string
	Object string
	Since  time.Time
	// Before is the number of an entry: only older ones; 0: all.
	Before int64
	// Limit is how many at most; 0: all.
	Limit int
}

// A Store stores users, tokens, sessions and the audit. Each change is written together
// with its line of the audit, or not at all. Its methods may be called by several
// goroutines, and several processes, at once.
type Store interface {
	Accounts
	Visits
	// Record adds a line to the audit about something that is stored elsewhere, or that
	// was refused.
	Record(ctx context.Context, e Entry) error
	// Audit are the entries that fit q, newest first.
	Audit(ctx context.Context, q AuditQuery) ([]Entry, error)
	// Revision grows with each change of a user, a token, or a session. After each Wake,
	// the owner of an open stream compares it; see [Gate.Again].
	Revision(ctx context.Context) (int64, error)
	// Wake receives soon after something was written, by this process or another, until
	// end is called. It may also receive without a change.
	Wake() (wake <-chan struct{}, end func())
}

// Accounts are users and tokens. An unknown name is a [*MissingError], a taken one an
// [*ExistsError].
type Accounts interface {
	// Users are all users, by name.
	Users(ctx context.Context) ([]User, error)
	User(ctx context.Context, name string) (User, error)
	UserByID(ctx context.Context, id int64) (User, error)
	AddUser(ctx context.Context, u User, by By) (User, error)
	// ChangeUser lets change set role, scope, password and whether the user is disabled. A
	// new password, and disabling, end its sessions and login links. The error is a
	// [*LastAdminError] if no admin that is not disabled would be left. Nothing is written
	// if nothing differs.
	ChangeUser(ctx context.Context, name string, change func(*User) error, by By) (User, error)
	// RemoveUser removes a user with its tokens, sessions and links.
	RemoveUser(ctx context.Context, name string, by By) error

	// Tokens are all tokens, by name.
	Tokens(ctx context.Context) ([]Token, error)
	AddToken(ctx context.Context, t Token, by By) (Token, error)
	RemoveToken(ctx context.Context, name string, by By) error
}

// Visits are logins: sessions, login links and uses of tokens. An unknown hash is an
// [*AuthError].
type Visits interface {
	TokenByHash(ctx context.Context, hash Hash) (Token, error)
	TokenByID(ctx context.Context, id int64) (Token, error)
	// UseToken records that a token was used, or refused for a reason, at most once an
	// hour.
	UseToken(ctx context.Context, t *Token, refused Refusal, by By) error
	// AddSession adds a session if its user is still at that revision; else the error is
	// an [*AuthError].
	AddSession(ctx context.Context, s Session, revision int64, by By) error
	SessionByHash(ctx context.Context, hash Hash) (Session, error)
	// UseSession postpones the end of a session.
	UseSession(ctx context.Context, hash Hash, at time.Time) error
	// EndSession ends one, if there is one.
	EndSession(ctx context.Context, hash Hash, by By) error
	// AddLink makes a login link the only one of its user.
	AddLink(ctx context.Context, l Link, by By) error
	LinkByHash(ctx context.Context, hash Hash) (Link, error)
	// TakeLink sets the password of the user of a link and removes the link, if it is
	// still there.
	TakeLink(ctx context.Context, hash Hash, password string, by By) (User, error)
}
