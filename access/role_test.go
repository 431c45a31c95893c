package access

import (
	"errors"
	"slices"
	"testing"
)

// What each role may do, in another form: an added action needs a decision here.
func TestRoles(t *testing.T) {
	may := map[Role][]Action{
		NoRole:   {},
		Viewer:   {Read, ReadFleet, Plan, OwnTokens},
		Operator: {Run, Kill, StartJob, PauseJob, Maintain, Notify, Override},
		Editor:   {EditJob},
		Admin:    {Drain, Controller, Users, AllTokens, ReadAudit, Delete, Origins},
	}
	known := 0
	for role := NoRole; role <= Admin; role++ {
		for least, actions := range may {
			for _, a := range actions {
				if got, want := role.May(a), role >= least; got != want {
					t.Errorf("%s, %s: got %t, want %t", role, a, got, want)
				}
			}
		}
		known += len(may[role])
		if role.May("format-disk") {
			t.Errorf("%s may do what is no action", role)
		}
	}
	if got := len(Actions()); got != known {
		t.Errorf("there are %d actions, of which %d are tested", got, known)
	}
}

func TestParseRole(t *testing.T) {
	if want := []string{"viewer", "operator", "editor", "admin"}; !slices.Equal(Roles(), want) {
		t.Errorf("got %q, want %q", Roles(), want)
	}
	for _, word := range Roles() {
		if r, err := ParseRole(word); err != nil || r.String() != word {
			t.Errorf("%s: got %s, %v", word, r, err)
		}
	}
	for _, word := range []string{"", "none", "Admin", "root", "unknown"} {
		if r, err := ParseRole(word); !errors.As(err, new(*ValueError)) || r != NoRole {
			t.Errorf("%q: got %s, %v, want a *ValueError", word, r, err)
		}
	}
	if got := Role(99).String(); got != "unknown" || Role(-1).May(Read) {
		t.Errorf("got %q, want no role of that number", got)
	}
}
