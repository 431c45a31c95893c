package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tutti/access"
	"tutti/store"
)

// A host is in maintenance until its time is over or a user ends it, and the audit has
// that user.
func testMaintenance(t *testing.T, b *bed) {
	ctx, m := t.Context(), b.Store.Maintenance()
	by := func(actor string, n int) access.By {
		return access.By{Actor: actor, Via: access.ViaSession, At: minute(n)}
	}
	b.must(m.Start(ctx, store.Rest{Host: "web2", Note: "disk"}, by("ann", 0)))
	b.must(m.Start(ctx, store.Rest{Host: "db1", Until: minute(10)}, by("ann", 1)))
	b.must(m.Start(ctx, store.Rest{Host: "web2", Note: "fan", Until: minute(60)}, by("bob", 2)))
	for _, tt := range []struct {
		at   int
		want string
	}{
		{9, "db1 :ann:1m0s web2 fan:bob:2m0s"},
		{10, "web2 fan:bob:2m0s"},
		{60, ""},
	} {
		rests, err := m.Rests(ctx, minute(tt.at))
		var got []string
		for _, r := range rests {
			got = append(got, fmt.Sprintf("%s %s:%s:%s", r.Host, r.Note, r.By, r.Since.Sub(noon)))
		}
		if strings.Join(got, " ") != tt.want || err != nil {
			t.Errorf("minute %d: got %q, %v, want %q", tt.at, got, err, tt.want)
		}
	}
	for _, tt := range []struct {
		what, host string
		at         int
		want       bool
	}{{"in", "web2", 5, true}, {"again", "web2", 5, false}, {"over", "db1", 11, false}, {"never", "web9", 5, false}} {
		if in, err := m.Stop(ctx, tt.host, by("ann", tt.at)); in != tt.want || err != nil {
			t.Errorf("%s: got %t, %v, want %t", tt.what, in, err, tt.want)
		}
	}
	if rests, err := m.Rests(ctx, noon.Add(-time.Hour)); err != nil || len(rests) > 0 {
		t.Errorf("got %+v, %v, want none", rests, err)
	}
	entries, err := b.Access().Audit(ctx, access.AuditQuery{Action: "maintenance", Object: "host:web2"})
	if err != nil || len(entries) != 3 || string(entries[1].Before) != `{"note":"disk"}` || !strings.Contains(string(entries[1].After), `"note":"fan"`) || entries[0].Action != "maintenance.stop" {
		t.Errorf("got %+v, %v, want three changes", entries, err)
	}
}
