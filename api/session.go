package api

import "tutti/api/event"

// A LoginRequest is a name and a password.
type LoginRequest struct {
	Name     string `json:"name" maxLength:"256"`
	Password string `json:"password" maxLength:"1024"`
}

// A LinkRequest is the secret of a login link, and the password that its user chooses.
type LinkRequest struct {
	Link     string `json:"link" maxLength:"256"`
	Password string `json:"password" maxLength:"1024"`
}

// A PasswordChange is one's password and the one that it is to be.
type PasswordChange struct {
	Current  string `json:"current" maxLength:"1024"`
	Password string `json:"password" maxLength:"1024"`
}

// A Session is who asks, and what it may do.
type Session struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "session"
	// Name is what is recorded of what it does.
	Name string `json:"name"`
	// Via is "unix", "session", "token" or "proxy".
	Via  string `json:"via"`
	Role string `json:"role"`
	// Scopes are selectors, each of which has to select a host; empty: all hosts.
	Scopes []string `json:"scopes"`
	// Jobs are those it is limited to; absent: it is not.
	Jobs []string `json:"jobs,omitempty"`
	// Users are those it may log in as on the hosts, any with AnyUser.
	Users     []string    `json:"users,omitempty"`
	AnyUser   bool        `json:"any_user"`
	Sudo      bool        `json:"sudo"`
	ExpiresAt *event.Time `json:"expires_at,omitempty"`
	Limits    Limits      `json:"limits"`
}

// Limits are what a client has to keep to. Sizes are bytes.
type Limits struct {
	RequestsPerSecond int   `json:"requests_per_second"`
	RequestsAtOnce    int   `json:"requests_at_once"`
	MaxBody           int64 `json:"max_body"`
	MaxPage           int   `json:"max_page"`
	MaxOutput         int64 `json:"max_output"`
}

// A UserRequest is a user that is to be added.
type UserRequest struct {
	User  string `json:"user" maxLength:"256"`
	Role  string `json:"role" enum:"viewer,operator,editor,admin"`
	Scope string `json:"scope,omitempty" maxLength:"4096"`
}

// A UserChange is what is to be different of a user.
type UserChange struct {
	Role     *string `json:"role,omitempty" enum:"viewer,operator,editor,admin"`
	Scope    *string `json:"scope,omitempty" maxLength:"4096"`
	Disabled *bool   `json:"disabled,omitempty"`
	Password *string `json:"password,omitempty" maxLength:"1024"`
}

// A TokenRequest is a token that is to be made.
type TokenRequest struct {
	Token     string   `json:"token" maxLength:"256"`
	Role      string   `json:"role" enum:"viewer,operator,editor,admin"`
	Scope     string   `json:"scope,omitempty" maxLength:"4096"`
	Jobs      []string `json:"jobs,omitempty" maxItems:"100"`
	Users     []string `json:"users,omitempty" maxItems:"100"`
	Sudo      bool     `json:"sudo,omitempty"`
	AllowFrom []string `json:"allow_from,omitempty" maxItems:"100"`
	// TaskSelector chooses the hosts of tasks that name none.
	TaskSelector string `json:"task_selector,omitempty" maxLength:"4096"`
	// Expires is a duration such as 90d, the default.
	Expires string `json:"expires,omitempty" maxLength:"20"`
}

// A NewTokenAnswer is a token with its secret, which nobody is told again.
type NewTokenAnswer struct {
	Token
	Secret string `json:"secret"`
}
