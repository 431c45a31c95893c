package api

// A Finding is the result of a check.
type Finding string

// The findings.
const (
	FindingOK      Finding = "ok"
	FindingWarning Finding = "warning" // runs work, but not as they might
	FindingProblem Finding = "problem" // runs do not work
)

// A Check is one thing that was checked: what `doctor --json` prints.
type Check struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "check"
	// Check is the name of what was checked.
	Check   string  `json:"check"`
	State   Finding `json:"state"`
	Message string  `json:"message"`
	// Remedy is what can be done; absent if nothing has to be.
	Remedy string `json:"remedy,omitempty"`
}

// NewCheck is the form of a finding.
func NewCheck(name string, state Finding, message, remedy string) Check {
	return Check{1, "check", name, state, message, remedy}
}
