package api

import (
	"testing"
	"time"

	"tutti/access"
)

// No hash is in a form, and what may be absent is.
func TestAccessAsItIsPrinted(t *testing.T) {
	networks, err := access.ParseNetworks([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	user := access.User{ID: 3, Name: "ann", Role: access.Editor, Scope: "web", Password: "$argon2id$secret", Revision: 2, Created: noon, Updated: noon.Add(time.Hour), UpdatedBy: "unix:root", Login: noon}
	token := access.Token{
		ID: 4, Name: "ci", Owner: 3, OwnerName: "ann", Hash: access.Hash{1, 2, 3}, Role: access.Operator, Scope: "web", Jobs: []string{"backup"},
		Users: []string{"deploy"}, Sudo: true, AllowFrom: networks, Created: noon, CreatedBy: "unix:root", Expires: noon.Add(time.Hour), Used: noon,
	}
	entry := access.Entry{
		ID: 5, By: access.By{Actor: "ann", Via: access.ViaSession, Remote: "192.0.2.1", Request: "r1", At: noon}, Action: "user.change", Object: "user:bob",
		Outcome: access.Done, Before: access.Details{"role": "viewer"}.JSON(), After: access.Details{"role": access.Admin}.JSON(),
	}
	for _, tt := range []struct {
		name, want string
		form       any
	}{
		{"user", `{"schema":1,"type":"user","user":"ann","user_id":3,"role":"editor","scope":"web","disabled":false,"password":true,"revision":2,"created_at":"2027-03-01T12:00:00.005Z","updated_at":"2027-03-01T13:00:00.005Z","updated_by":"unix:root","login_at":"2027-03-01T12:00:00.005Z"}`, NewUser(&user)},
		{"new user", `{"schema":1,"type":"user","user":"bob","user_id":1,"role":"viewer","disabled":true,"password":false,"revision":1,"created_at":"2027-03-01T12:00:00.005Z","updated_at":"2027-03-01T12:00:00.005Z","updated_by":"x"}`, NewUser(&access.User{ID: 1, Name: "bob", Role: access.Viewer, Disabled: true, Revision: 1, Created: noon, Updated: noon, UpdatedBy: "x"})},
		{"token", `{"schema":1,"type":"token","token":"ci","token_id":4,"owner":"ann","role":"operator","scope":"web","jobs":["backup"],"users":["deploy"],"sudo":true,"allow_from":["10.0.0.0/8"],"created_at":"2027-03-01T12:00:00.005Z","created_by":"unix:root","expires_at":"2027-03-01T13:00:00.005Z","used_at":"2027-03-01T12:00:00.005Z"}`, NewToken(&token)},
		{"new token", `{"schema":1,"type":"token","token":"x","token_id":1,"role":"viewer","sudo":false,"created_at":"2027-03-01T12:00:00.005Z","created_by":"x","expires_at":"2027-03-01T12:00:00.005Z"}`, NewToken(&access.Token{ID: 1, Name: "x", Role: access.Viewer, Created: noon, CreatedBy: "x", Expires: noon})},
		{"entry", `{"schema":1,"type":"audit","id":5,"at":"2027-03-01T12:00:00.005Z","actor":"ann","via":"session","remote":"192.0.2.1","action":"user.change","object":"user:bob","outcome":"done","before":{"role":"viewer"},"after":{"role":"admin"},"request":"r1"}`, NewAuditEntry(&entry)},
		{"entry without an actor", `{"schema":1,"type":"audit","id":1,"at":"2027-03-01T12:00:00.005Z","action":"session.add","outcome":"refused"}`, NewAuditEntry(&access.Entry{ID: 1, By: access.By{At: noon}, Action: "session.add", Outcome: access.Refused})},
	} {
		if got := line(t, tt.form); got != tt.want {
			t.Errorf("%s: got\n%s, want\n%s", tt.name, got, tt.want)
		}
	}
}
