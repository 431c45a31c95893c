package api

import "tutti/api/event"

// A LoginRequest is a name and a password.
type LoginRequest struct {
	Name     string `json:"name" maxLength:"256"`
	Password string `json:"password" maxLength:"1024"`
}

// A LinkRequest is the secret of a login link, and the new password of its user.
type LinkRequest struct {
	Link     string `json:"link" maxLength:"256"`
	Password string `json:"password" maxLength:"1024"`
}

// A PasswordChange is the user's present password and the new one.
type PasswordChange struct {
	Current  string `json:"current" maxLength:"1024"`
	Password string `json:"password" maxLength:"1024"`
}

// A Session is the principal of a request, and its rights.
type Session struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "session"
	// Name is the name in records: a user, owner/token, or unix:login.
	Name string `json:"name"`
	// Via is "unix", "session", "token", "proxy" or "certificate".
	Via  string `json:"via"`
	Role string `json:"role"`
	// Scopes are selectors, all of which must select a host; empty: all hosts.
	Scopes []string `json:"scopes"`
	// Jobs are the jobs that it is limited to; absent: no limit.
	Jobs []string `json:"jobs,omitempty"`
	// Users are the users of the hosts that it may log in as; with AnyUser any.
	Users     []string    `json:"users,omitempty"`
	AnyUser   bool        `json:"any_user"`
	Sudo      bool        `json:"sudo"`
	ExpiresAt *event.Time `json:"expires_at,omitempty"`
	Limits    Limits      `json:"limits"`
}

// Limits bound what a client may send and read. Sizes are in bytes.
type Limits struct {
	RequestsPerSecond int   `json:"requests_per_second"`
	RequestsAtOnce    int   `json:"requests_at_once"`
	MaxBody           int64 `json:"max_body"`
	MaxApplyBody      int64 `json:"max_apply_body"`
	MaxPage           int   `json:"max_page"`
	MaxOutput         int64 `json:"max_output"`
	// MaxWait is how long an answer may be put off, by Prefer: wait.
	MaxWaitMS int64 `json:"max_wait_ms"`
	// MaxStreams is how many streams may be open at once.
	MaxStreams int       `json:"max_streams"`
	Runs       RunLimits `json:"runs"`
}

// RunLimits bound a run that is submitted. Sizes are in bytes.
type RunLimits struct {
	// MaxQueued is how many runs may wait, of all clients.
	MaxQueued     int   `json:"max_queued"`
	MaxHosts      int   `json:"max_hosts"`
	MaxFanout     int   `json:"max_fanout"`
	MaxTimeoutMS  int64 `json:"max_timeout_ms"`
	MaxDeadlineMS int64 `json:"max_deadline_ms"`
	// MaxRecordLimit is of each output, MaxInput of the standard input and of a script.
	MaxRecordLimit int64 `json:"max_record_limit"`
	MaxInput       int64 `json:"max_input"`
}

// A UserRequest is a user to add.
type UserRequest struct {
	User  string `json:"user" maxLength:"256"`
	Role  string `json:"role" enum:"viewer,operator,editor,admin"`
	Scope string `json:"scope,omitempty" maxLength:"4096"`
	// Password is absent for a user that is to choose one with a login link.
	Password *string `json:"password,omitempty" maxLength:"1024"`
}

// A UserLink is the secret with which a user chooses a password, once.
type UserLink struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "user_link"
	User   string `json:"user"`
	// Link is for POST /session/link; it is shown once.
	Link      string     `json:"link"`
	ExpiresAt event.Time `json:"expires_at"`
}

// A UserChange has the settings of a user that change.
type UserChange struct {
	Role     *string `json:"role,omitempty" enum:"viewer,operator,editor,admin"`
	Scope    *string `json:"scope,omitempty" maxLength:"4096"`
	Disabled *bool   `json:"disabled,omitempty"`
	Password *string `json:"password,omitempty" maxLength:"1024"`
}

// A TokenRequest is a token to make.
type TokenRequest struct {
	Token string `json:"token" maxLength:"256"`
	// Owner is another user who is to own it, which an admin may say; absent: who asks.
	Owner     string   `json:"owner,omitempty" maxLength:"256"`
	Role      string   `json:"role" enum:"viewer,operator,editor,admin"`
	Scope     string   `json:"scope,omitempty" maxLength:"4096"`
	Jobs      []string `json:"jobs,omitempty" maxItems:"100"`
	Users     []string `json:"users,omitempty" maxItems:"100"`
	Sudo      bool     `json:"sudo,omitempty"`
	AllowFrom []string `json:"allow_from,omitempty" maxItems:"100"`
	// TaskSelector chooses the hosts of tasks that name none.
	TaskSelector string `json:"task_selector,omitempty" maxLength:"4096"`
	// Expires is a duration such as 30d, or a time; absent: 90d.
	Expires string `json:"expires,omitempty" maxLength:"40"`
}

// A NewTokenAnswer is a token with its secret, which is in no other answer.
type NewTokenAnswer struct {
	Token
	Secret string `json:"secret"`
}
