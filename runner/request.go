package runner

import (
	"time"

	"tutti/fanout"
)

// A Request has the settings of a run. The inventory, ssh_config, or the defaults of
// [NewRequest] decide about what it leaves open.
type Request struct {
	Hosts   Hosts
	Task    Task
	Limits  Limits
	Rolling Rolling
	Login   Login
	Record  Record

	// given are the keys that were set. A key that was set wins over the
	// inventory even if it is set to nothing.
	given map[string]bool
}

// Hosts choose hosts, together with the selector.
type Hosts struct {
	Inventory []string // files
	Named     string   // these instead of a selector and an inventory
	Only      []string // items of a selector
	Exclude   []string // lists of them
	Limit     int
	Pick      int
}

// AdHoc reports whether the hosts are named by address, and not chosen from an
// inventory.
func (h *Hosts) AdHoc() bool { return h.Named != "" }

// Describe is how messages and the history call the selected hosts.
func (h *Hosts) Describe(selector string) string {
	if h.AdHoc() {
		return "-w " + h.Named
	}
	return selector
}

// A Task is the environment of a command: variables, directory, user, input.
type Task struct {
	Env             []string // K=V, or K for a secret of this process's environment
	HostEnv         bool     // variables that name the host
	Dir             string
	Stdin           string // a file; "-" is standard input
	PTY             bool
	Sudo            string // the user
	AskSudoPass     bool
	SudoPassCommand string
}

// Limits say how many hosts at once, for how long and how often.
type Limits struct {
	Fanout         int // 0: as many as there are, up to a limit
	ConnectTimeout time.Duration
	Timeout        time.Duration
	Deadline       time.Duration
	KillAfter      time.Duration
	Drain          time.Duration
	Retries        int
	RetryOn        []fanout.Outcome
	RetryDelay     time.Duration
}

// Rolling says in which batches a run goes over its hosts, and when it stops early.
type Rolling struct {
	Batch   []fanout.Share
	Pause   time.Duration
	MaxFail []fanout.Share // one at most
}

// Login says how to log in.
type Login struct {
	User       string
	Port       int
	Identity   []string
	HostKeys   string // empty: as the inventory or ssh_config has it
	KnownHosts string
	SSHConfig  string // a file, or [NoSSHConfig]
	Jump       string
	AskPass    bool
	Persist    time.Duration // how long connections stay open after their last use; 0: not at all
	PersistMax int           // how many stay open at most; 0: the usual number
}

// NoSSHConfig stands in the place of a file that is not to be read.
const NoSSHConfig = "none"

// Record says what is recorded.
type Record struct {
	History   string // a file
	Off       bool
	Note      string
	Limit     int64 // in bytes of each output
	RunIDFile string
}

// StoreLimit is the limit in the history's terms, where 0 is the default and
// less than that records nothing.
func (r *Record) StoreLimit() int64 {
	if r.Limit == 0 {
		return -1
	}
	return r.Limit
}

// NewRequest is a request with the defaults.
func NewRequest() Request {
	return Request{
		Limits: Limits{
			KillAfter:  3 * time.Second,
			Drain:      2 * time.Second,
			RetryOn:    []fanout.Outcome{fanout.Unreachable},
			RetryDelay: time.Second,
		},
		Record: Record{Limit: 4 << 20},
		given:  map[string]bool{},
	}
}

// Given reports whether the key of that name was set.
func (r *Request) Given(name string) bool { return r.given[name] }

// Policy is how the request's run goes over its hosts.
func (r *Request) Policy() fanout.Policy {
	p := fanout.Policy{
		Deadline: r.Limits.Deadline,
		Retry:    fanout.Retry{On: r.Limits.RetryOn, Delay: r.Limits.RetryDelay},
		Batches:  r.Rolling.Batch,
		Pause:    r.Rolling.Pause,
	}
	switch {
	case len(r.Rolling.MaxFail) > 0:
		p.MaxFail = &r.Rolling.MaxFail[0]
	case len(r.Rolling.Batch) > 0:
		p.MaxFail = &fanout.Share{}
	}
	return p
}
