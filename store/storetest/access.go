package storetest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/access"
)

// A lobby is a gate of a store, with its own clock.
type lobby struct {
	*bed
	access.Gate
	now time.Time
}

func (b *bed) lobby() *lobby {
	l := &lobby{bed: b, now: noon}
	l.Gate = access.Gate{
		Store: b.Access(), Hasher: access.NewHasher(rand.Reader), Throttle: &access.Throttle{},
		Now: func() time.Time { return l.now }, Random: rand.Reader,
	}
	return l
}

func (l *lobby) by() access.By { return access.By{Actor: "root", Via: access.ViaLocal, At: l.now} }

// user adds a user with that password; empty: with none.
func (l *lobby) user(name string, role access.Role, password string) access.User {
	l.Helper()
	u, err := l.AddUser(l.Context(), access.User{Name: name, Role: role}, l.by())
	l.must(err)
	if password != "" {
		l.must(l.SetPassword(l.Context(), name, []byte(password), l.by()))
		u, err = l.Gate.Store.User(l.Context(), name)
		l.must(err)
	}
	return u
}

// log is the audit since an entry, the oldest first, and the newest entry.
func (l *lobby) log(since int64) (lines []string, newest int64) {
	l.Helper()
	entries, err := l.Gate.Store.Audit(l.Context(), access.AuditQuery{})
	l.must(err)
	newest = since
	for _, e := range slices.Backward(entries) {
		if e.ID > since {
			lines = append(lines, fmt.Sprintf("%s %s %s %s %s", e.Actor, e.Action, e.Object, e.Outcome, e.After))
		}
		newest = max(newest, e.ID)
	}
	return lines, newest
}

// refusal returns the reason of err; empty for nil.
func refusal(err error) access.Refusal {
	if denied, ok := errors.AsType[*access.AuthError](err); ok {
		return denied.Why
	}
	return ""
}

// Users and tokens are stored, each change with its line in the audit and a new
// revision.
func testAccounts(t *testing.T, b *bed) {
	l := b.lobby()
	ctx, s := t.Context(), l.Gate.Store
	since := int64(0)
	revision, err := s.Revision(ctx)
	l.must(err)
	step := func(what string, err error, want string) {
		t.Helper()
		lines, newest := l.log(since)
		now, revErr := s.Revision(ctx)
		if got := strings.Join(lines, "; "); err != nil || revErr != nil || got != want {
			t.Errorf("%s: got %v, %v, the audit %s, want %s", what, err, revErr, got, want)
		}
		if (now > revision) != (want != "") {
			t.Errorf("%s: got revision %d after %d", what, now, revision)
		}
		revision, since = now, newest
	}
	step("at first", nil, "")
	ann := l.user("ann", access.Admin, "")
	step("add", nil, `root user.add user:ann done {"disabled":false,"password":false,"role":"admin"}`)
	bob, err := l.AddUser(ctx, access.User{Name: "bob", Role: access.Operator, Scope: "web"}, l.by())
	step("add with a scope", err, `root user.add user:bob done {"disabled":false,"password":false,"role":"operator","scope":"web"}`)
	if ann.ID == bob.ID || ann.Revision != 1 || !ann.Created.Equal(noon) || ann.UpdatedBy != "root" || bob.Scope != "web" {
		t.Errorf("got %+v and %+v", ann, bob)
	}
	change := func(name string, f func(*access.User)) error {
		_, err := s.ChangeUser(ctx, name, func(u *access.User) error { f(u); return nil }, l.by())
		return err
	}
	step("password", l.SetPassword(ctx, "bob", []byte("correct horse"), l.by()), `root user.change user:bob done {"disabled":false,"password":"changed","role":"operator","scope":"web"}`)
	step("role", change("bob", func(u *access.User) { u.Role, u.Scope = access.Viewer, "" }), `root user.change user:bob done {"disabled":false,"password":true,"role":"viewer"}`)
	step("the same again", change("bob", func(u *access.User) { u.Role = access.Viewer }), "")
	step("number and name are its own", change("bob", func(u *access.User) { u.ID, u.Name, u.Revision = 99, "eve", 99 }), "")

	no := errors.New("no")
	_, err = s.ChangeUser(ctx, "bob", func(u *access.User) error { u.Role = access.Admin; return no }, l.by())
	if err == nil {
		t.Error("a change that failed is none")
	}
	_, err = l.AddUser(ctx, access.User{Name: "ann", Role: access.Viewer}, l.by())
	if exists, ok := errors.AsType[*access.ExistsError](err); !ok || exists.Name != "ann" {
		t.Errorf("the same name: got %v", err)
	}
	for name, near := range map[string]string{"anm": "ann", "zzzzzz": ""} {
		for what, err := range map[string]error{"change": change(name, func(*access.User) {}), "remove": s.RemoveUser(ctx, name, l.by())} {
			if missing, ok := errors.AsType[*access.MissingError](err); !ok || missing.Name != name || missing.Nearest != near {
				t.Errorf("%s %s: got %v, want none, near %q", what, name, err, near)
			}
		}
	}
	for what, err := range map[string]error{
		"role":    change("ann", func(u *access.User) { u.Role = access.Editor }),
		"disable": change("ann", func(u *access.User) { u.Disabled = true }),
		"remove":  s.RemoveUser(ctx, "ann", l.by()),
	} {
		if !errors.As(err, new(*access.LastAdminError)) {
			t.Errorf("%s of the last admin: got %v", what, err)
		}
	}
	step("nothing of what was refused", nil, "")
	l.user("carol", access.Admin, "")
	step("another admin", change("ann", func(u *access.User) { u.Disabled = true }), `root user.add user:carol done {"disabled":false,"password":false,"role":"admin"}; root user.change user:ann done {"disabled":true,"password":false,"role":"admin"}`)
	if err := s.RemoveUser(ctx, "carol", l.by()); !errors.As(err, new(*access.LastAdminError)) {
		t.Errorf("a disabled admin counts: got %v", err)
	}
	testTokens(t, l, &bob, step)
	step("remove", s.RemoveUser(ctx, "bob", l.by()), "root user.remove user:bob done ")
	if tokens, err := s.Tokens(ctx); err != nil || len(tokens) != 1 || tokens[0].Name != "ci" {
		t.Errorf("got %+v, %v, want those of bob gone with him", tokens, err)
	}
	users, err := s.Users(ctx)
	if err != nil || len(users) != 2 || users[0].Name != "ann" || users[1].Name != "carol" {
		t.Errorf("got %+v, %v, want ann and carol", users, err)
	}
	again, err := l.AddUser(ctx, access.User{Name: "bob", Role: access.Viewer}, l.by())
	if err != nil || again.ID <= bob.ID || again.Password != "" {
		t.Errorf("got %+v, %v, want another bob", again, err)
	}
}

// testTokens goes on with tokens.
func testTokens(t *testing.T, l *lobby, bob *access.User, step func(what string, err error, want string)) {
	t.Helper()
	ctx, s := t.Context(), l.Gate.Store
	networks, err := access.ParseNetworks([]string{"10.0.0.0/8", "::1"})
	l.must(err)
	want := access.Token{
		Name: "ci", Role: access.Operator, Scope: "web", Jobs: []string{"backup"}, Users: []string{"deploy"}, Sudo: true,
		AllowFrom: networks, Expires: noon.Add(time.Hour),
	}
	_, ci, err := l.AddToken(ctx, want, l.by())
	step("token", err, `root token.add token:ci done {"allow_from":["10.0.0.0/8","::1/128"],"expires_at":"2026-11-21T13:00:00.000Z","jobs":["backup"],"role":"operator","scope":"web","sudo":true,"users":["deploy"]}`)
	want.ID, want.Hash, want.Created, want.CreatedBy = ci.ID, ci.Hash, noon, "root"
	if fmt.Sprintf("%+v", ci) != fmt.Sprintf("%+v", want) {
		t.Errorf("got %+v, want %+v", ci, want)
	}
	_, _, err = l.AddToken(ctx, access.Token{Name: "bobs", Owner: bob.ID, Role: access.Admin}, l.by())
	step("token of a user", err, `root token.add token:bobs done {"expires_at":"2027-02-19T12:00:00.000Z","owner":"bob","role":"admin","sudo":false}`)
	if _, _, err = l.AddToken(ctx, access.Token{Name: "ci", Role: access.Viewer}, l.by()); !errors.As(err, new(*access.ExistsError)) {
		t.Errorf("the same name: got %v", err)
	}
	for what, bad := range map[string]access.Token{
		"name":     {Name: "C I", Role: access.Viewer},
		"over":     {Name: "x", Role: access.Viewer, Expires: noon},
		"too long": {Name: "x", Role: access.Viewer, Expires: noon.Add(access.MaxTokenLife + time.Second)},
	} {
		if _, _, err := l.AddToken(ctx, bad, l.by()); !errors.As(err, new(*access.ValueError)) {
			t.Errorf("%s: got %v, want a *ValueError", what, err)
		}
	}
	_, _, err = l.AddToken(ctx, access.Token{Name: "old", Role: access.Viewer}, l.by())
	step("third token", err, `root token.add token:old done {"expires_at":"2027-02-19T12:00:00.000Z","role":"viewer","sudo":false}`)
	if err := s.RemoveToken(ctx, "odl", l.by()); !errors.As(err, new(*access.MissingError)) || !strings.Contains(fmt.Sprintf("%#v", err), `Nearest:"old"`) {
		t.Errorf("got %#v, want old near it", err)
	}
	step("remove", s.RemoveToken(ctx, "old", l.by()), "root token.remove token:old done ")
	tokens, err := s.Tokens(ctx)
	if err != nil || len(tokens) != 2 || tokens[0].OwnerName != "bob" || tokens[1].Owner != 0 {
		t.Errorf("got %+v, %v, want that of bob and the one without an owner", tokens, err)
	}
}

// A token is let in as long as it, its owner and the address are right.
func testTokenGate(t *testing.T, b *bed) {
	l := b.lobby()
	ctx, s := t.Context(), l.Gate.Store
	l.user("root", access.Admin, "")
	bob := l.user("bob", access.Operator, "")
	networks, err := access.ParseNetworks([]string{"10.0.0.0/8"})
	l.must(err)
	secret, _, err := l.AddToken(ctx, access.Token{Name: "ci", Owner: bob.ID, Role: access.Editor, Scope: "web", AllowFrom: networks}, l.by())
	l.must(err)
	strange, err := access.NewToken(rand.Reader)
	l.must(err)
	inside, outside := access.Source{Addr: netip.MustParseAddr("::ffff:10.1.2.3"), Request: "r1"}, access.Source{Addr: netip.MustParseAddr("192.0.2.1")}
	_, since := l.log(0)
	try := func(what, text string, from access.Source, want access.Refusal, audit string) access.Principal {
		t.Helper()
		p, err := l.Token(ctx, text, from)
		lines, newest := l.log(since)
		since = newest
		if refusal(err) != want || (err == nil) != (want == "") || strings.Join(lines, "; ") != audit {
			t.Errorf("%s: got %v, the audit %q, want %q and %q", what, err, lines, want, audit)
		}
		if err != nil && p.Role != access.NoRole {
			t.Errorf("%s: got %+v with an error", what, p)
		}
		return p
	}
	p := try("right", secret.Reveal(), inside, "", "bob/ci token.use token:ci done ")
	if p.Name != "bob/ci" || p.Role != access.Operator || !slices.Equal(p.Scopes, []string{"web"}) || p.Via != access.ViaToken || p.Token == 0 || p.User != bob.ID {
		t.Errorf("got %+v, want no more than bob may", p)
	}
	try("again", secret.Reveal(), inside, "", "")
	try("no token of ours", strange.Reveal(), inside, access.Unknown, "")
	try("cut off", secret.Reveal()[:50], inside, access.Damaged, "")
	try("from elsewhere", secret.Reveal(), outside, access.Network, `bob/ci token.use token:ci refused {"reason":"network"}`)
	try("from nowhere", secret.Reveal(), access.Source{}, access.Network, "")
	l.now = l.now.Add(61 * time.Minute)
	try("an hour later", secret.Reveal(), inside, "", "bob/ci token.use token:ci done ")
	entries, err := s.Audit(ctx, access.AuditQuery{Action: "token.use", Limit: 1})
	if err != nil || len(entries) != 1 || entries[0].Remote != "10.1.2.3" || entries[0].Request != "r1" || entries[0].Via != access.ViaToken {
		t.Errorf("got %+v, %v, want where it came from", entries, err)
	}
	change := func(f func(*access.User)) {
		t.Helper()
		_, err := s.ChangeUser(ctx, "bob", func(u *access.User) error { f(u); return nil }, l.by())
		l.must(err)
		_, since = l.log(since)
	}
	change(func(u *access.User) { u.Role, u.Scope = access.Viewer, "dc=madrid" })
	if p, err = l.Again(ctx, p); err != nil || p.Role != access.Viewer || !slices.Equal(p.Scopes, []string{"web", "dc=madrid"}) {
		t.Errorf("got %+v, %v, want what bob may now", p, err)
	}
	change(func(u *access.User) { u.Disabled = true })
	try("bob is disabled", secret.Reveal(), inside, access.Disabled, `bob/ci token.use token:ci refused {"reason":"disabled"}`)
	if _, err := l.Again(ctx, p); refusal(err) != access.Disabled {
		t.Errorf("an open stream: got %v, want it disabled", err)
	}
	change(func(u *access.User) { u.Disabled = false })
	l.now = noon.Add(access.TokenLife)
	try("expired", secret.Reveal(), inside, access.Expired, `bob/ci token.use token:ci refused {"reason":"expired"}`)
	l.now = noon.Add(2 * time.Hour)
	l.must(s.RemoveUser(ctx, "bob", l.by()))
	_, since = l.log(since)
	try("removed with its owner", secret.Reveal(), inside, access.Unknown, "")
	if _, err := l.Again(ctx, p); refusal(err) != access.Unknown {
		t.Errorf("an open stream: got %v, want it unknown", err)
	}
}

// A password opens a session, which ends by itself, by logging out, and by a new
// password.
func testSessions(t *testing.T, b *bed) {
	l := b.lobby()
	ctx, s := t.Context(), l.Gate.Store
	l.user("root", access.Admin, "")
	const password = "correct horse"
	ann := l.user("ann", access.Editor, password)
	l.user("mute", access.Viewer, "")
	from := access.Source{Addr: netip.MustParseAddr("192.0.2.1"), Request: "r7"}
	_, since := l.log(0)
	for _, tt := range []struct {
		what, name, password string
		want                 access.Refusal
		audit                string
	}{
		{"wrong", "ann", "correct horsf", access.Wrong, ` session.add user:ann refused {"reason":"wrong"}`},
		{"unknown", "correct horse", "x", access.Unknown, ` session.add  refused {"reason":"unknown"}`},
		{"no password", "mute", "", access.Wrong, ` session.add user:mute refused {"reason":"wrong"}`},
	} {
		secret, p, err := l.Login(ctx, tt.name, []byte(tt.password), from)
		lines, newest := l.log(since)
		since = newest
		for i := range lines {
			_, rest, _ := strings.Cut(lines[i], " ")
			lines[i] = " " + rest // the actor is who it claims to be
		}
		if refusal(err) != tt.want || secret != (access.Secret{}) || p.Role != access.NoRole || strings.Join(lines, ";") != tt.audit {
			t.Errorf("%s: got %v, the audit %q, want %q and %q", tt.what, err, lines, tt.want, tt.audit)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "wrong name or password") {
			t.Errorf("%s: the error tells more: %v", tt.what, err)
		}
	}
	login := func() (access.Secret, access.Principal) {
		t.Helper()
		secret, p, err := l.Login(ctx, "ann", []byte(password), from)
		l.must(err)
		return secret, p
	}
	session := func(what string, secret access.Secret, want access.Refusal) access.Principal {
		t.Helper()
		p, err := l.Session(ctx, secret.Reveal())
		if refusal(err) != want || (err == nil) != (want == "") {
			t.Errorf("%s: got %v, want %q", what, err, want)
		}
		return p
	}
	first, p := login()
	if got := session("open", first, ""); got.Name != "ann" || got.User != ann.ID || got.Role != access.Editor || got.Via != access.ViaSession || !got.Expires.Equal(noon.Add(access.SessionIdle)) || fmt.Sprint(got) != fmt.Sprint(p) {
		t.Errorf("got %+v, want what the login said, %+v", got, p)
	}
	l.now = l.now.Add(11 * time.Hour)
	session("used in time", first, "")
	l.now = l.now.Add(11 * time.Hour)
	session("used again", first, "")
	l.now = l.now.Add(12 * time.Hour)
	session("idle", first, access.Expired)
	if _, err := l.Session(ctx, "nonsense"); refusal(err) != access.Unknown {
		t.Errorf("nonsense: got %v", err)
	}
	second, _ := login()
	third, p := login()
	if second.Reveal() == third.Reveal() {
		t.Error("two sessions have one secret")
	}
	l.must(l.Logout(ctx, second.Reveal(), &p, from))
	session("logged out", second, access.Unknown)
	session("the other one", third, "")
	_, err := s.ChangeUser(ctx, "ann", func(u *access.User) error { u.Role = access.Viewer; return nil }, l.by())
	l.must(err)
	if got := session("with another role", third, ""); got.Role != access.Viewer {
		t.Errorf("got %+v, want a viewer", got)
	}
	if now, err := l.Again(ctx, p); err != nil || now.Role != access.Viewer {
		t.Errorf("an open stream: got %+v, %v, want a viewer", now, err)
	}
	l.must(l.SetPassword(ctx, "ann", []byte("another horse"), l.by()))
	session("after a new password", third, access.Unknown)
	if _, err := l.Again(ctx, p); refusal(err) != access.Unknown {
		t.Errorf("an open stream: got %v, want it unknown", err)
	}
	// Who was let in as ann was meanwhile is not.
	old := access.Session{Hash: first.Hash(), User: ann.ID, Created: l.now, Used: l.now}
	if err := s.AddSession(ctx, old, ann.Revision, l.by()); refusal(err) != access.Wrong {
		t.Errorf("a session for an earlier password: got %v", err)
	}
	for range 5 {
		if _, _, err := l.Login(ctx, "ann", []byte(password), access.Source{}); refusal(err) != access.Wrong {
			t.Errorf("the password before: got %v", err)
		}
	}
	if _, _, err = l.Login(ctx, "ann", []byte("another horse"), access.Source{}); !errors.As(err, new(*access.ThrottledError)) {
		t.Errorf("after five wrong ones: got %v", err)
	}
	l.now = l.now.Add(5 * time.Minute)
	if _, _, err = l.Login(ctx, "ann", []byte("another horse"), access.Source{}); err != nil {
		t.Errorf("five minutes later: got %v", err)
	}
}

// A login link is good once, for a while, until the next one, and for no user who is
// disabled.
func testLinks(t *testing.T, b *bed) {
	l := b.lobby()
	ctx, s := t.Context(), l.Gate.Store
	ann := l.user("ann", access.Admin, "")
	link := func() access.Secret {
		t.Helper()
		secret, err := l.NewLink(ctx, &ann, l.by())
		l.must(err)
		return secret
	}
	redeem := func(what string, secret access.Secret, want access.Refusal) access.Secret {
		t.Helper()
		session, _, err := l.Redeem(ctx, secret.Reveal(), []byte("correct horse"), access.Source{})
		if refusal(err) != want || (err == nil) != (want == "") {
			t.Errorf("%s: got %v, want %q", what, err, want)
		}
		return session
	}
	first, second := link(), link()
	redeem("followed by another", first, access.Unknown)
	if u, err := l.Link(ctx, second.Reveal()); err != nil || u.Name != "ann" {
		t.Errorf("got %+v, %v, want ann", u, err)
	}
	if _, _, err := l.Redeem(ctx, second.Reveal(), []byte("short"), access.Source{}); !errors.As(err, new(*access.PasswordError)) {
		t.Errorf("got %v, want a *PasswordError", err)
	}
	_, since := l.log(0)
	session := redeem("the last one", second, "")
	if lines, _ := l.log(since); strings.Join(lines, "; ") != `ann user.change user:ann done {"disabled":false,"password":"changed","role":"admin"}; ann link.use user:ann done ; ann session.add user:ann done ` {
		t.Errorf("got the audit %q", lines)
	}
	if p, err := l.Session(ctx, session.Reveal()); err != nil || p.Role != access.Admin {
		t.Errorf("got %+v, %v, want ann let in", p, err)
	}
	if _, _, err := l.Login(ctx, "ann", []byte("correct horse"), access.Source{}); err != nil {
		t.Errorf("the password: %v", err)
	}
	redeem("once more", second, access.Unknown)
	late := link()
	l.now = l.now.Add(access.LinkLife)
	redeem("too late", late, access.Expired)
	fresh := link()
	l.user("bob", access.Admin, "")
	_, err := s.ChangeUser(ctx, "ann", func(u *access.User) error { u.Disabled = true; return nil }, l.by())
	l.must(err)
	redeem("disabled since", fresh, access.Unknown)
	redeem("while disabled", link(), access.Disabled)
}

// The audit has what others record, too.
func testAudit(t *testing.T, b *bed) {
	l := b.lobby()
	ctx, s := t.Context(), l.Gate.Store
	for i, e := range []access.Entry{
		{Action: "run.start", Object: "run:1", Outcome: access.Done, After: access.Details{"selector": "web"}.JSON()},
		{Action: "run.kill", Object: "run:1", Outcome: access.Failed},
		{Action: "run.start", Outcome: access.Refused},
		{Action: "runner", Object: "run:1", Outcome: access.Done},
	} {
		e.By = access.By{Actor: []string{"ann", "bob"}[i%2], Via: access.ViaSession, Remote: "192.0.2.1", Request: fmt.Sprint("r", i), At: minute(i)}
		l.must(s.Record(ctx, e))
	}
	for _, tt := range []struct {
		name  string
		query access.AuditQuery
		want  string
	}{
		{"all", access.AuditQuery{}, "r3 r2 r1 r0"},
		{"by actor", access.AuditQuery{Actor: "bob"}, "r3 r1"},
		{"by action", access.AuditQuery{Action: "run.start"}, "r2 r0"},
		{"by what comes before the point", access.AuditQuery{Action: "run"}, "r2 r1 r0"},
		{"by object", access.AuditQuery{Object: "run:1"}, "r3 r1 r0"},
		{"since", access.AuditQuery{Since: minute(2)}, "r3 r2"},
		{"some", access.AuditQuery{Limit: 2}, "r3 r2"},
		{"the next ones", access.AuditQuery{Limit: 2, Before: 3}, "r1 r0"},
		{"several at once", access.AuditQuery{Actor: "ann", Action: "run", Object: "run:1", Since: noon}, "r0"},
		{"none", access.AuditQuery{Actor: "eve"}, ""},
	} {
		entries, err := s.Audit(ctx, tt.query)
		var got []string
		for _, e := range entries {
			got = append(got, e.Request)
		}
		if strings.Join(got, " ") != tt.want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	entries, err := s.Audit(ctx, access.AuditQuery{Object: "run:1", Action: "run.start"})
	if err != nil || len(entries) != 1 {
		t.Fatalf("got %d entries, %v", len(entries), err)
	}
	if e := entries[0]; e.Actor != "ann" || e.Via != access.ViaSession || e.Remote != "192.0.2.1" || e.Outcome != access.Done || string(e.After) != `{"selector":"web"}` || e.Before != nil || !e.At.Equal(noon) {
		t.Errorf("got %+v, want what was recorded", e)
	}
}
