package access

import (
	"errors"
	"slices"
	"testing"
)

// A token has the least of its own rights and its owner's.
func TestTokenRights(t *testing.T) {
	for _, tt := range []struct {
		name   string
		token  Token
		owner  *User
		who    string
		role   Role
		scopes []string
		sudo   bool
	}{
		{"no owner", Token{Name: "ci", Role: Operator, Scope: "web", Sudo: true}, nil, "token:ci", Operator, []string{"web"}, true},
		{"less than its owner", Token{Name: "ci", Role: Viewer}, &User{Name: "ann", Role: Admin}, "ann/ci", Viewer, nil, false},
		{"more than its owner", Token{Name: "ci", Role: Admin, Sudo: true}, &User{Name: "ann", Role: Viewer}, "ann/ci", Viewer, nil, false},
		{"both have a scope", Token{Name: "ci", Role: Operator, Scope: "web"}, &User{Name: "ann", Role: Editor, Scope: "dc=madrid"}, "ann/ci", Operator, []string{"web", "dc=madrid"}, false},
		{"the owner's scope only", Token{Name: "ci", Role: Operator}, &User{Name: "ann", Role: Editor, Scope: "web"}, "ann/ci", Operator, []string{"web"}, false},
		{"the same scope", Token{Name: "ci", Role: Operator, Scope: "web"}, &User{Name: "ann", Role: Editor, Scope: "web"}, "ann/ci", Operator, []string{"web"}, false},
		{"sudo of a viewer", Token{Name: "ci", Role: Viewer, Sudo: true}, nil, "token:ci", Viewer, nil, false},
		{"no sudo though the owner has", Token{Name: "ci", Role: Operator}, &User{Name: "ann", Role: Admin}, "ann/ci", Operator, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := ofToken(&tt.token, tt.owner)
			if p.Name != tt.who || p.Via != ViaToken || p.Role != tt.role || !slices.Equal(p.Scopes, tt.scopes) || p.Sudo != tt.sudo || p.AnyUser {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestChecks(t *testing.T) {
	user := func(r Role) Principal { return ofUser(&User{Name: "ann", Role: r}, ViaSession) }
	jobs := ofToken(&Token{Name: "ci", Role: Admin, Jobs: []string{"backup"}, Users: []string{"deploy"}, Sudo: true}, nil)
	viewer, operator, none := user(Viewer), user(Operator), Principal{}
	for _, tt := range []struct {
		name  string
		check func() error
		may   bool
	}{
		{"the zero principal reads", func() error { return none.Check(Read) }, false},
		{"a viewer reads", func() error { return viewer.Check(Read) }, true},
		{"a viewer runs", func() error { return viewer.Check(Run) }, false},
		{"a viewer has sudo", func() error { return viewer.CheckSudo() }, false},
		{"an operator runs", func() error { return operator.Check(Run) }, true},
		{"an operator has sudo", func() error { return operator.CheckSudo() }, true},
		{"an operator logs in as the inventory says", func() error { return operator.CheckLogin("") }, true},
		{"an operator logs in as root", func() error { return operator.CheckLogin("root") }, false},
		{"an operator overrides", func() error { return operator.CheckOverrides() }, true},
		{"an operator and any job", func() error { return operator.CheckJob(StartJob, "sweep") }, true},
		{"an operator and a run of no job", func() error { return operator.CheckJob(Kill, "") }, true},
		{"an operator edits", func() error { return operator.CheckJob(EditJob, "sweep") }, false},
		{"jobs: starts its job", func() error { return jobs.CheckJob(StartJob, "backup") }, true},
		{"jobs: kills its job", func() error { return jobs.CheckJob(Kill, "backup") }, true},
		{"jobs: reads its job", func() error { return jobs.CheckJob(Read, "backup") }, true},
		{"jobs: starts another", func() error { return jobs.CheckJob(StartJob, "sweep") }, false},
		{"jobs: reads another", func() error { return jobs.CheckJob(Read, "sweep") }, false},
		{"jobs: kills a run of no job", func() error { return jobs.CheckJob(Kill, "") }, false},
		{"jobs: pauses its job", func() error { return jobs.CheckJob(PauseJob, "backup") }, false},
		{"jobs: edits its job", func() error { return jobs.CheckJob(EditJob, "backup") }, false},
		{"jobs: runs", func() error { return jobs.Check(Run) }, false},
		{"jobs: sees users", func() error { return jobs.Check(Users) }, false},
		{"jobs: overrides", func() error { return jobs.CheckOverrides() }, false},
		{"a token logs in as one of its users", func() error { return jobs.CheckLogin("deploy") }, true},
		{"a token logs in as another", func() error { return jobs.CheckLogin("root") }, false},
	} {
		err := tt.check()
		if (err == nil) != tt.may || err != nil && !errors.As(err, new(*DeniedError)) {
			t.Errorf("%s: got %v, want it allowed: %t", tt.name, err, tt.may)
		}
	}
}

func TestOfPeer(t *testing.T) {
	rules := []PeerRule{{UID: -1, GID: 50, Role: Operator}, {UID: 1002, GID: -1, Role: Viewer}, {UID: -1, GID: 51, Role: Editor}}
	for _, tt := range []struct {
		name string
		peer PeerUser
		want Role
	}{
		{"root", PeerUser{"root", 0, nil}, Admin},
		{"itself", PeerUser{"tutti", 999, nil}, Admin},
		{"a stranger", PeerUser{"eve", 1001, []int64{1001}}, NoRole},
		{"by user", PeerUser{"bob", 1002, []int64{1002}}, Viewer},
		{"by group", PeerUser{"ann", 1003, []int64{1003, 50}}, Operator},
		{"by both groups", PeerUser{"ann", 1003, []int64{51, 50}}, Editor},
		{"root in a group", PeerUser{"root", 0, []int64{50}}, Admin},
		{"no such number", PeerUser{"odd", -1, []int64{-1}}, NoRole},
	} {
		p, err := OfPeer(tt.peer, 999, rules)
		denied, ok := errors.AsType[*AuthError](err)
		if p.Role != tt.want || ok != (tt.want == NoRole) || ok && denied.Why != Peer {
			t.Errorf("%s: got %s, %v, want %s", tt.name, p.Role, err, tt.want)
		}
		if err == nil && (p.Name != "unix:"+tt.peer.Login || p.Via != ViaUnix || p.AnyUser != (p.Role == Admin) || p.Sudo != (p.Role >= Operator)) {
			t.Errorf("%s: got %+v", tt.name, p)
		}
	}
}

func TestScope(t *testing.T) {
	set := func(names ...string) map[string]bool {
		m := map[string]bool{}
		for _, n := range names {
			m[n] = true
		}
		return m
	}
	for _, tt := range []struct {
		name    string
		scopes  []map[string]bool
		targets []string
		outside int
	}{
		{"no scope", nil, []string{"web1"}, 0},
		{"all inside", []map[string]bool{set("web1", "web2")}, []string{"web2", "web1"}, 0},
		{"some outside", []map[string]bool{set("web1")}, []string{"web1", "db1", "db2"}, 2},
		{"an empty scope", []map[string]bool{set()}, []string{"web1"}, 1},
		{"no targets", []map[string]bool{set()}, nil, 0},
		{"each scope counts", []map[string]bool{set("web1", "web2"), set("web2", "db1")}, []string{"web1", "web2", "db1"}, 2},
		{"outside both is one", []map[string]bool{set("web1"), set("web1")}, []string{"db1"}, 1},
	} {
		err := CheckScope(tt.scopes, tt.targets)
		denied, ok := errors.AsType[*ScopeError](err)
		if ok != (tt.outside > 0) || ok && (denied.Outside != tt.outside || denied.Hosts != len(tt.targets)) {
			t.Errorf("%s: got %v, want %d outside", tt.name, err, tt.outside)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"ann": true, "a.b-c_d@example.org": true, "_x": true, "9": true, string(slices.Repeat([]byte("a"), 64)): true,
		"": false, "Ann": false, "-x": false, ".x": false, "@x": false, "a b": false, "unix:ann": false, "ann/ci": false, "ä": false,
		"a\nb": false, "a\x1b[31m": false, string(slices.Repeat([]byte("a"), 65)): false,
	} {
		err := CheckName("user", name)
		if (err == nil) != ok || err != nil && !errors.As(err, new(*ValueError)) {
			t.Errorf("%q: got %v, want it right: %t", name, err, ok)
		}
	}
}
