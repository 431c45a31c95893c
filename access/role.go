package access

import (
	"slices"
	"strings"
)

// A Role bounds what a principal may do. The zero value may do nothing.
type Role int

// The roles. Each may do what those before it may.
const (
	NoRole   Role = iota
	Viewer        // reads
	Operator      // runs commands and jobs, and stops them
	Editor        // changes jobs
	Admin         // does everything
)

var roleNames = [...]string{NoRole: "none", Viewer: "viewer", Operator: "operator", Editor: "editor", Admin: "admin"}

func (r Role) String() string {
	if r < NoRole || r > Admin {
		return "unknown"
	}
	return roleNames[r]
}

// MarshalText is the word of the role.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Roles are the words of all roles, the least first.
func Roles() []string { return slices.Clone(roleNames[Viewer:]) }

// ParseRole is the role of a word; the error is a [*ValueError].
func ParseRole(word string) (Role, error) {
	for r := Viewer; r <= Admin; r++ {
		if roleNames[r] == word {
			return r, nil
		}
	}
	return NoRole, &ValueError{What: "role", Text: word, Want: strings.Join(Roles(), ", ")}
}

// An Action is what a principal may request.
type Action string

// The actions. Those on hosts, runs and jobs are bounded by the scope too.
const (
	Read       Action = "read"        // runs, their output, and jobs
	ReadFleet  Action = "read-fleet"  // hosts, their groups and labels, and daemons
	Plan       Action = "plan"        // what a request would do; whether it is valid
	Run        Action = "run"         // ad-hoc commands: run, ping, rerun
	Kill       Action = "kill"        // stop runs
	StartJob   Action = "start-job"   // run a job now
	PauseJob   Action = "pause-job"   // pause and resume jobs
	Maintain   Action = "maintain"    // put hosts into maintenance, and end it
	Notify     Action = "notify"      // deliver a notification again now
	EditJob    Action = "edit-job"    // add, change, apply and remove jobs
	Drain      Action = "drain"       // have a daemon start nothing any more, or runs again
	Controller Action = "controller"  // jobs with keys that act on the controller
	Users      Action = "users"       // see and change users
	OwnTokens  Action = "own-tokens"  // see, make and remove tokens of one's own
	AllTokens  Action = "all-tokens"  // those of others
	ReadAudit  Action = "audit"       // who did what
	Delete     Action = "delete"      // delete and prune runs
	Origins    Action = "origins"     // where settings of hosts come from: paths of the controller
	Override   Action = "maintenance" // run on hosts that are in maintenance
)

// least is the least role that may do each action.
var least = map[Action]Role{
	Read: Viewer, ReadFleet: Viewer, Plan: Viewer, OwnTokens: Viewer,
	Run: Operator, Kill: Operator, StartJob: Operator, PauseJob: Operator, Maintain: Operator, Notify: Operator, Override: Operator,
	EditJob: Editor,
	Drain:   Admin, Controller: Admin, Users: Admin, AllTokens: Admin, ReadAudit: Admin, Delete: Admin, Origins: Admin,
}

// ofJobs are the actions of a principal that is limited to some jobs.
var ofJobs = []Action{Read, StartJob, Kill}

// Actions are all actions, in no order.
func Actions() []Action {
	all := make([]Action, 0, len(least))
	for a := range least {
		all = append(all, a)
	}
	return all
}

// May reports whether the role may do a. No role may do an unknown action.
func (r Role) May(a Action) bool {
	need, known := least[a]
	return known && r >= need
}
