package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/api"
)

// Each operation is refused to every role below its own, and to no other.
func TestRoleMatrix(t *testing.T) {
	r := newRig(t)
	r.api.Streams.Close() // one that is open would not end
	for _, o := range r.Table() {
		path := "/api/v1" + regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(o.Path, "1")
		r.now = r.now.Add(time.Second) // so that it is not asked too often
		for role := access.NoRole; role <= access.Admin; role++ {
			if r.who = (access.Principal{Name: "p-" + role.String(), Role: role}); role == access.NoRole {
				r.who = access.Principal{}
			}
			w := httptest.NewRecorder()
			r.ServeHTTP(w, httptest.NewRequest(o.Method, path, nil))
			switch {
			case o.Action == "": // anybody
				if w.Code == http.StatusForbidden {
					t.Errorf("%s %s is refused to %s: %s", o.Method, o.Path, role, w.Body)
				}
			case role == access.NoRole:
				if w.Code != http.StatusUnauthorized && w.Code != http.StatusTooManyRequests {
					t.Errorf("%s %s: somebody unknown got %d", o.Method, o.Path, w.Code)
				}
			case role < o.Role():
				r.refused(t, w, "role")
			case strings.Contains(w.Body.String(), "/problems/role"):
				t.Errorf("%s %s is refused to %s", o.Method, o.Path, role)
			}
		}
	}
}

// A token that is limited to jobs reads, starts and stops them, and does nothing else.
func TestLimitedToJobs(t *testing.T) {
	r := newRig(t)
	r.who = access.Principal{Name: "ci", Role: access.Admin, Jobs: []string{"backup"}}
	for path, want := range map[string]int{"/jobs": 200, "/users": 403, "/audit": 403, "/tokens": 403, "/validate": 405, "/hosts": 403, "/hosts/web1": 403, "/groups": 403, "/labels": 403, "/daemons": 403} {
		if w := r.ask(t, "GET", path, ""); w.Code != want {
			t.Errorf("%s: got %d %s", path, w.Code, w.Body)
		}
	}
	if w := r.ask(t, "POST", "/validate", `{"selector":"web"}`); w.Code != 403 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestUsers(t *testing.T) {
	r := newRig(t)
	w := r.ask(t, "POST", "/users", `{"user":"eve","role":"editor","scope":"web"}`)
	if w.Code != 201 || w.Header().Get("Location") != "/api/v1/users/eve" {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/users", `{"user":"eve","role":"editor"}`), "name-taken")
	r.refused(t, r.ask(t, "POST", "/users", `{"user":"zq secret zq","role":"editor"}`), "invalid")
	r.refused(t, r.ask(t, "POST", "/users", `{"user":"bob","role":"editor","scope":"@/etc/passwd"}`), "invalid")
	r.refused(t, r.ask(t, "POST", "/users", `{"user":"bob","role":"root"}`), "invalid")
	r.refused(t, r.ask(t, "GET", "/users/evi", ""), "no-user")
	if w := r.ask(t, "PATCH", "/users/eve", `{"password":"correct horse battery"}`); w.Code != 200 || strings.Contains(w.Body.String(), "horse") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	w = r.ask(t, "PATCH", "/users/eve", `{"password":"short"}`)
	r.refused(t, w, "invalid")
	if !strings.Contains(w.Body.String(), `"pointer":"/password"`) {
		t.Errorf("got %s", w.Body)
	}
	if w := r.ask(t, "POST", "/users", `{"user":"root","role":"admin"}`); w.Code != 201 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "DELETE", "/users/root", ""), "last-admin")
	var users api.List[api.User]
	if r.get(t, "/users", &users); len(users.Items) != 2 || users.Items[0].Role != "editor" || !users.Items[0].Password {
		t.Errorf("got %+v", users)
	}
	if w := r.ask(t, "DELETE", "/users/eve", ""); w.Code != 204 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	var audit api.List[api.AuditEntry]
	w = r.get(t, "/audit?limit=2", &audit)
	if len(audit.Items) != 2 || audit.Items[0].Action != "user.remove" || audit.Items[0].Actor != "ann" || audit.Items[0].Request == "" || audit.Next == "" {
		t.Errorf("got %s", w.Body)
	}
	if strings.Contains(w.Body.String(), "argon2") {
		t.Errorf("the audit has a hash: %s", w.Body)
	}
	audit = api.List[api.AuditEntry]{}
	if r.get(t, "/audit?action=user&actor=ann&object=user:root", &audit); len(audit.Items) != 1 {
		t.Errorf("got %+v", audit)
	}
}

// A session is a cookie that scripts do not see; it ends with the logout, and a change
// with it has to say where it comes from.
func TestSession(t *testing.T) {
	r := newRig(t)
	r.ask(t, "POST", "/users", `{"user":"eve","role":"editor"}`)
	r.ask(t, "PATCH", "/users/eve", `{"password":"correct horse battery"}`)
	r.real()
	for _, body := range []string{`{"name":"eve","password":"zqwrongzq"}`, `{"name":"nobody","password":"zqwrongzq"}`} {
		w := r.ask(t, "POST", "/session", body)
		if r.refused(t, w, "not-known"); strings.Contains(w.Body.String(), "zqwrongzq") {
			t.Errorf("got %s", w.Body)
		}
	}
	w := r.ask(t, "POST", "/session", `{"name":"eve","password":"correct horse battery"}`)
	cookies := w.Result().Cookies()
	if w.Code != 201 || len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode || cookies[0].Path != "/" {
		t.Fatalf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	cookie := cookies[0].Name + "=" + cookies[0].Value
	var who api.Session
	w = r.ask(t, "GET", "/session", "", "Cookie", cookie)
	if err := json.Unmarshal(w.Body.Bytes(), &who); err != nil || who.Name != "eve" || who.Role != "editor" || who.Via != "session" {
		t.Errorf("got %s", w.Body)
	}
	tests := []struct {
		name   string
		header []string
		want   int
	}{
		{"no word of the origin", nil, 403},
		{"another site", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a sibling", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"no origin at all", []string{"Origin", "null"}, 403},
		{"another origin", []string{"Origin", "http://evil.test"}, 403},
		{"the same site", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"the same origin", []string{"Origin", "http://example.com"}, 200}, // httptest's host
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := r.ask(t, "POST", "/validate", `{"selector":"web"}`, append(tt.header, "Cookie", cookie)...)
			if w.Code != tt.want {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, tt.want)
			}
		})
	}
	if w := r.ask(t, "DELETE", "/session", "", "Cookie", cookie, "Origin", "http://example.com"); w.Code != 204 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "GET", "/session", "", "Cookie", cookie), "not-known")
}

// A login link lets its user in once, who chooses a password and can change it.
func TestOwnPassword(t *testing.T) {
	r := newRig(t)
	r.ask(t, "POST", "/users", `{"user":"eve","role":"viewer"}`)
	u, err := r.accounts.Store.User(t.Context(), "eve")
	if err != nil {
		t.Fatal(err)
	}
	link, err := r.accounts.NewLink(t.Context(), &u, access.By{Actor: "ann", At: r.now})
	if err != nil {
		t.Fatal(err)
	}
	r.refused(t, r.ask(t, "PUT", "/session/password", `{"current":"x","password":"correct horse battery"}`), "role") // no session
	r.real()
	r.remote = "192.0.2.1:1"
	body := func(password string) string { return `{"link":"` + link.Reveal() + `","password":"` + password + `"}` }
	if w := r.ask(t, "POST", "/session/link", body("x")); w.Code != 422 || strings.Contains(w.Body.String(), link.Reveal()) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	w := r.ask(t, "POST", "/session/link", body("correct horse battery"))
	cookies := w.Result().Cookies()
	if w.Code != 201 || len(cookies) != 1 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/session/link", body("another horse battery")), "not-known")
	session := []string{"Cookie", cookies[0].Name + "=" + cookies[0].Value, "Origin", "http://example.com"}
	w = r.ask(t, "PUT", "/session/password", `{"current":"zqwrongzq","password":"another horse battery"}`, session...)
	if r.refused(t, w, "not-known"); strings.Contains(w.Body.String(), "horse") {
		t.Errorf("got %s", w.Body)
	}
	if w := r.ask(t, "PUT", "/session/password", `{"current":"correct horse battery","password":"another horse battery"}`, session...); w.Code != 204 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "GET", "/session", "", session...), "not-known")
	if w := r.ask(t, "POST", "/session", `{"name":"eve","password":"another horse battery"}`); w.Code != 201 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.gate = nil
	var audit api.List[api.AuditEntry]
	if r.get(t, "/audit?action=user.change&object=user:eve", &audit); len(audit.Items) < 2 || audit.Items[1].Outcome != "refused" {
		t.Errorf("got %+v", audit.Items)
	}
}

// A page of another site can change nothing, whoever would let it in.
func TestCrossSiteWithoutCookie(t *testing.T) {
	r := newRig(t)
	for header, want := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200} {
		if w := r.ask(t, "POST", "/validate", `{"selector":"web"}`, "Sec-Fetch-Site", header); w.Code != want {
			t.Errorf("%s: got %d %s", header, w.Code, w.Body)
		}
	}
	if w := r.ask(t, "POST", "/validate", `{"selector":"web"}`); w.Code != 200 { // no browser
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// A token counts in its header only, and its secret is told once.
func TestTokens(t *testing.T) {
	r := newRig(t)
	r.add(t, "backup", nil)
	w := r.ask(t, "POST", "/tokens", `{"token":"ci","role":"viewer","jobs":["backup"],"allow_from":["192.0.2.0/24"]}`)
	var made api.NewTokenAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != 201 || made.Secret == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	for body, name := range map[string]string{
		`{"token":"ci","role":"viewer"}`: "name-taken", `{"token":"x","role":"viewer","jobs":["bakup"]}`: "no-job",
		`{"token":"x","role":"viewer","expires":"2y"}`: "invalid", `{"token":"x","role":"viewer","allow_from":["ten"]}`: "invalid",
		`{"token":"x","role":"operator","users":[""]}`: "invalid", `{"token":"x","role":"operator","users":["deploy"]}`: "role",
	} {
		r.refused(t, r.ask(t, "POST", "/tokens", body), name)
	}
	r.who.AnyUser = true
	r.refused(t, r.ask(t, "POST", "/tokens", `{"token":"x","role":"operator","users":["de ploy"]}`), "invalid")
	if w := r.get(t, "/tokens", new(any)); strings.Contains(w.Body.String(), made.Secret) {
		t.Errorf("the secret is told again: %s", w.Body)
	}
	r.real()
	bearer := []string{"Authorization", "Bearer " + made.Secret}
	if w := r.ask(t, "GET", "/jobs", "", bearer...); w.Code != 200 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "GET", "/runs?token="+made.Secret, ""), "not-known")
	r.refused(t, r.ask(t, "GET", "/jobs", "", "Authorization", "Basic "+made.Secret), "not-known")
	r.refused(t, r.ask(t, "GET", "/jobs", "", "Authorization", "Bearer "+made.Secret[:len(made.Secret)-1]), "not-known")
	r.refused(t, r.ask(t, "GET", "/users", "", bearer...), "role")
	r.remote = "198.51.100.1:99"
	r.refused(t, r.ask(t, "GET", "/jobs", "", bearer...), "not-known")
}

// An admin adds a user with a password, makes login links, and tokens of others.
func TestAccountsOfOthers(t *testing.T) {
	r := newRig(t)
	if w := r.ask(t, "POST", "/users", `{"user":"eve","role":"viewer","password":"correct horse battery"}`); w.Code != 201 || !strings.Contains(w.Body.String(), `"password":true`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/users", `{"user":"bob","role":"viewer","password":"short"}`), "invalid")
	r.refused(t, r.ask(t, "GET", "/users/bob", ""), "no-user")
	r.refused(t, r.ask(t, "POST", "/users/evi/link", ""), "no-user")
	var link api.UserLink
	w := r.ask(t, "POST", "/users/eve/link", "")
	if err := json.Unmarshal(w.Body.Bytes(), &link); err != nil || w.Code != 201 || link.User != "eve" || link.Link == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if !time.Time(link.ExpiresAt).Equal(r.now.Add(access.LinkLife)) {
		t.Errorf("got %v", link.ExpiresAt)
	}
	if w := r.ask(t, "POST", "/tokens", `{"token":"hers","role":"viewer","owner":"eve","expires":"`+r.now.Add(time.Hour).Format(time.RFC3339)+`"}`); w.Code != 201 || !strings.Contains(w.Body.String(), `"owner":"eve"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/tokens", `{"token":"x","role":"viewer","owner":"evi"}`), "no-user")
	r.refused(t, r.ask(t, "POST", "/tokens", `{"token":"x","role":"viewer","expires":"2001-01-01T00:00:00Z"}`), "invalid")
	eve, err := r.store.Access().User(t.Context(), "eve")
	if err != nil {
		t.Fatal(err)
	}
	r.who = access.Principal{Name: "eve", User: eve.ID, Role: access.Editor, Via: access.ViaSession}
	r.refused(t, r.ask(t, "POST", "/tokens", `{"token":"x","role":"viewer","owner":"eve"}`), "role")
	r.refused(t, r.ask(t, "POST", "/users/eve/link", ""), "role")
	r.real()
	r.remote = "192.0.2.1:1"
	body := `{"link":"` + link.Link + `","password":"another horse battery"}`
	if w := r.ask(t, "POST", "/session/link", body); w.Code != 201 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.refused(t, r.ask(t, "POST", "/session/link", body), "not-known")
}

// Nobody makes a token that may more than who makes it.
func TestTokensOfOthers(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	eve, err := r.store.Access().AddUser(ctx, access.User{Name: "eve", Role: access.Operator}, access.By{At: noon})
	if err != nil {
		t.Fatal(err)
	}
	r.ask(t, "POST", "/tokens", `{"token":"mine","role":"admin"}`)
	r.who = access.Principal{Name: "eve", User: eve.ID, Role: access.Operator, Via: access.ViaSession}
	r.refused(t, r.ask(t, "POST", "/tokens", `{"token":"x","role":"admin"}`), "role")
	r.refused(t, r.ask(t, "POST", "/tokens", `{"token":"x","role":"operator","sudo":true}`), "role")
	r.refused(t, r.ask(t, "POST", "/tokens", `{"token":"x","role":"operator","users":["root"]}`), "role")
	r.refused(t, r.ask(t, "DELETE", "/tokens/mine", ""), "no-token")
	if w := r.ask(t, "POST", "/tokens", `{"token":"own","role":"viewer"}`); w.Code != 201 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	var tokens api.List[api.Token]
	if r.get(t, "/tokens", &tokens); len(tokens.Items) != 1 || tokens.Items[0].Owner != "eve" {
		t.Errorf("got %+v", tokens)
	}
	if w := r.ask(t, "DELETE", "/tokens/own", ""); w.Code != 204 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	r.who.Token = 7
	r.refused(t, r.ask(t, "POST", "/tokens", `{"token":"x","role":"viewer"}`), "role")
}

// A token of a user of the machine would outlive what lets that user in.
func TestTokensOfPeers(t *testing.T) {
	r := newRig(t)
	r.who = access.Principal{Name: "unix:bob", Via: access.ViaUnix, Role: access.Editor, Sudo: true}
	r.refused(t, r.ask(t, "POST", "/tokens", `{"token":"kept","role":"viewer"}`), "role")
	r.who = access.Principal{Name: "unix:root", Via: access.ViaUnix, Role: access.Admin, Sudo: true, AnyUser: true}
	if w := r.ask(t, "POST", "/tokens", `{"token":"kept","role":"viewer"}`); w.Code != 201 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// Who asks too often waits; others do not, and neither does who has waited.
func TestPace(t *testing.T) {
	r := newRig(t)
	r.who = access.Principal{Name: "busy", Role: access.Viewer}
	for i := range 61 {
		w := r.ask(t, "GET", "/daemons", "")
		if i == 60 {
			if r.refused(t, w, "too-often"); w.Header().Get("Retry-After") != "1" {
				t.Errorf("got %v", w.Header())
			}
		} else if w.Code != 200 {
			t.Fatalf("%d: got %d %s", i, w.Code, w.Body)
		}
	}
	r.who.Name = "other"
	if w := r.ask(t, "GET", "/daemons", ""); w.Code != 200 {
		t.Errorf("got %d", w.Code)
	}
	r.who.Name = "busy"
	r.now = r.now.Add(-3600e9) // the clock was put back
	r.refused(t, r.ask(t, "GET", "/daemons", ""), "too-often")
	r.now = r.now.Add(1e9)
	if w := r.ask(t, "GET", "/daemons", ""); w.Code != 200 {
		t.Errorf("got %d", w.Code)
	}
	// An address that nobody knows is slower.
	r.who = access.Principal{}
	for i := range 6 {
		w := r.ask(t, "GET", "/daemons", "")
		if want := map[bool]int{true: 429, false: 401}[i == 5]; w.Code != want {
			t.Errorf("%d: got %d", i, w.Code)
		}
	}
}

// A request without a token is told if there are no users yet; no other is.
func TestNoUsers(t *testing.T) {
	r := newRig(t)
	r.real()
	r.refused(t, r.ask(t, "GET", "/session", ""), "no-users")
	r.refused(t, r.ask(t, "GET", "/session", "", "Authorization", "Bearer tutti_x"), "not-known")
	r.refused(t, r.ask(t, "GET", "/runs", ""), "not-known")
	if _, err := r.accounts.AddUser(t.Context(), access.User{Name: "eve", Role: access.Viewer}, access.By{Actor: "test", At: noon}); err != nil {
		t.Fatal(err)
	}
	r.refused(t, r.ask(t, "GET", "/session", ""), "not-known")
}
