package access

import (
	"slices"
	"time"
)

// Via is how a principal was authenticated.
type Via string

// The ways.
const (
	ViaUnix    Via = "unix"    // the peer of a local socket
	ViaSession Via = "session" // a password, then a cookie
	ViaToken   Via = "token"
	ViaProxy   Via = "proxy" // the header of a trusted proxy
	// ViaCertificate is a certificate of TLS, of which the subject names the user.
	ViaCertificate Via = "certificate"
	ViaLocal       Via = "local" // a user that can write the history
)

// A Principal is an authenticated user or token with its rights; those of a token are
// never more than its owner's. The zero value may do nothing.
type Principal struct {
	// Name is what is recorded: a user, owner/token, or unix:login.
	Name string
	Via  Via
	// User is the number of the user, or of the token's owner; 0: none. Token is the
	// number of the token; 0: it is not a token.
	User, Token int64
	Role        Role
	// Scopes are selectors; the hosts that all of them select are in scope. None: all
	// hosts.
	Scopes []string
	// Jobs are the jobs that it may start, stop and read, and nothing else; none: no
	// limit.
	Jobs []string
	// Users are the users of the hosts that it may log in as, instead of the inventory's.
	Users []string
	// AnyUser: it may log in as any.
	AnyUser bool
	// Sudo: it may run commands as another user there.
	Sudo bool
	// TaskSelector is as of a [Token].
	TaskSelector string
	// Expires is when its access ends; zero: unknown.
	Expires time.Time

	session Hash // of its session, if it has one
}

// Check is a [*DeniedError] if the principal may not do a. For jobs and hosts it is not
// enough: see CheckJob, and [CheckScope].
func (p *Principal) Check(a Action) error {
	switch {
	case !p.Role.May(a):
		return &DeniedError{Action: a, Has: p.Role, Needs: leastFor(a)}
	case len(p.Jobs) > 0 && !slices.Contains(ofJobs, a):
		return &DeniedError{Action: a, Has: p.Role, Needs: leastFor(a), Jobs: true}
	}
	return nil
}

// CheckJob is a [*DeniedError] if the principal may not do a to that job, or to a run
// of it. job is empty for a run of no job.
func (p *Principal) CheckJob(a Action, job string) error {
	if err := p.Check(a); err != nil {
		return err
	}
	if len(p.Jobs) > 0 && !slices.Contains(p.Jobs, job) {
		return &DeniedError{Action: a, Has: p.Role, Needs: leastFor(a), Jobs: true}
	}
	return nil
}

// CheckLogin is a [*DeniedError] if the principal may not log in to the hosts as that
// user. An empty user is the inventory's.
func (p *Principal) CheckLogin(user string) error {
	if user == "" || p.AnyUser || slices.Contains(p.Users, user) {
		return nil
	}
	return &DeniedError{Action: Run, Has: p.Role, What: "logging in as a user other than the inventory's"}
}

// CheckSudo is a [*DeniedError] if the principal may not run commands by sudo.
func (p *Principal) CheckSudo() error {
	if p.Sudo {
		return nil
	}
	return &DeniedError{Action: Run, Has: p.Role, What: "sudo"}
}

// CheckOverrides is a [*DeniedError] if the principal may not change settings of a job
// when it starts it or repeats its run.
func (p *Principal) CheckOverrides() error {
	if len(p.Jobs) == 0 {
		return nil
	}
	return &DeniedError{Action: StartJob, Has: p.Role, Jobs: true}
}

// leastFor is the least role that may do a.
func leastFor(a Action) Role {
	if need, known := least[a]; known {
		return need
	}
	return Admin
}

// ofUser are the rights of a user.
func ofUser(u *User, via Via) Principal {
	p := Principal{Name: u.Name, Via: via, User: u.ID, Role: u.Role, Sudo: u.Role.May(Run)}
	if u.Scope != "" {
		p.Scopes = []string{u.Scope}
	}
	return p
}

// ofToken are the rights of a token: its own, and no more than its owner's. owner is
// nil for a token without one.
func ofToken(t *Token, owner *User) Principal {
	p := Principal{
		Name: "token:" + t.Name, Via: ViaToken, Token: t.ID, Role: t.Role,
		Jobs: slices.Clone(t.Jobs), Users: slices.Clone(t.Users), Sudo: t.Sudo && t.Role.May(Run), Expires: t.Expires,
		TaskSelector: t.TaskSelector,
	}
	if t.Scope != "" {
		p.Scopes = []string{t.Scope}
	}
	if owner == nil {
		return p
	}
	of := ofUser(owner, ViaToken)
	p.Name, p.User = owner.Name+"/"+t.Name, owner.ID
	p.Role = min(p.Role, of.Role)
	p.Sudo = p.Sudo && of.Sudo
	for _, scope := range of.Scopes {
		if !slices.Contains(p.Scopes, scope) {
			p.Scopes = append(p.Scopes, scope)
		}
	}
	return p
}

// A PeerRule gives users or groups of this machine a role.
type PeerRule struct {
	// UID or GID, by number; -1: unset, the other is set.
	UID, GID int64
	Role     Role
}

// A PeerUser is the user at the other end of a local socket, according to the kernel.
type PeerUser struct {
	// Login is its name, for the record.
	Login string
	UID   int64
	GIDs  []int64
}

// OfPeer is the principal of a peer. root and the user of this process, whose number is
// own, can write the history and are admins; others have the highest role that a rule
// gives them. The error is an [*AuthError].
func OfPeer(peer PeerUser, own int64, rules []PeerRule) (Principal, error) {
	p := Principal{Name: "unix:" + peer.Login, Via: ViaUnix}
	if peer.UID == 0 || peer.UID == own {
		p.Role = Admin
	}
	for _, r := range rules {
		if r.UID == peer.UID && r.UID >= 0 || r.GID >= 0 && slices.Contains(peer.GIDs, r.GID) {
			p.Role = max(p.Role, r.Role)
		}
	}
	if p.Role == NoRole {
		return Principal{}, &AuthError{What: "peer", Why: Peer, Name: p.Name}
	}
	p.Sudo, p.AnyUser = p.Role.May(Run), p.Role.May(Controller)
	return p, nil
}
