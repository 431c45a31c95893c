package api

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"tutti/api/event"
	"tutti/runner"
	"tutti/store"
)

// A RunRequest asks for a run. Its names are those of the keys of jobs; a value is a
// number or the text that a job has.
type RunRequest struct {
	Selector string  `json:"selector" maxLength:"65536" doc:"which hosts"`
	Command  string  `json:"command,omitempty" maxLength:"1048576" doc:"what the login shell executes; or script"`
	Script   *Script `json:"script,omitempty"`
	Hosts
	TaskKeys
	LimitKeys
	// Priority: the highest is first. IncludeMaintenance: also on hosts that are in
	// maintenance.
	Priority           int  `json:"priority,omitempty" minimum:"-1000" maximum:"1000" doc:"the highest is first; 0 if it is not given"`
	IncludeMaintenance bool `json:"include_maintenance,omitempty" doc:"do not leave out the hosts that are in maintenance"`
	TuttiEnv           bool `json:"tutti_env,omitempty" doc:"set the variables TUTTI_RUN, TUTTI_HOST and TUTTI_ATTEMPT of the command"`
	Receivers
	DryRun bool `json:"dry_run,omitempty" doc:"say what the run would do, as /plan does; nothing is run"`
	LocalKeys
}

// Receivers are sent the end of a run; one of them at most.
type Receivers struct {
	Callback string     `json:"callback,omitempty" maxLength:"2048" doc:"a URL that is sent the run when it has ended"`
	Notify   *RunNotify `json:"notify,omitempty"`
}

// A RunNotify is a webhook that is sent a message about the end of a run, as jobs send it.
type RunNotify struct {
	On      []string `json:"on" minItems:"1" enum:"failure,always" doc:"failure: some host is not ok"`
	Webhook string   `json:"webhook" minLength:"1" maxLength:"2048" doc:"a URL"`
}

// A Script is executed in place of a command.
type Script struct {
	Text        string   `json:"text" maxLength:"1048576"`
	Interpreter string   `json:"interpreter,omitempty" maxLength:"255" doc:"a path, and at most one argument; that of the first line, if it is not given"`
	Args        []string `json:"args,omitempty" maxItems:"1000"`
	Name        string   `json:"name,omitempty" maxLength:"1000" doc:"what the record calls it"`
}

// Hosts narrow what a selector chooses.
type Hosts struct {
	Only    []string `json:"only,omitempty" doc:"keep only the hosts of these items"`
	Exclude []string `json:"exclude,omitempty" doc:"leave out the hosts of these items"`
	Limit   *int     `json:"limit,omitempty" minimum:"1" doc:"only the first hosts, this many"`
	Pick    *int     `json:"pick,omitempty" minimum:"1" doc:"this many hosts, chosen at random"`
}

// TaskKeys are the environment of a command, and what is recorded with the run.
type TaskKeys struct {
	Env         map[string]string `json:"env,omitempty" doc:"variables; they are recorded"`
	SecretEnv   map[string]string `json:"secret_env,omitempty" doc:"variables of which only the names are recorded"`
	HostEnv     *bool             `json:"host_env,omitempty" doc:"set variables that name the host: TUTTI_HOST, TUTTI_ADDRESS and others"`
	Dir         string            `json:"dir,omitempty" maxLength:"4096"`
	Stdin       *string           `json:"stdin,omitempty" maxLength:"1048576" doc:"the command's standard input; it is not recorded"`
	StdinBase64 *string           `json:"stdin_base64,omitempty" maxLength:"1398104" doc:"the same, as base64"`
	Sudo        string            `json:"sudo,omitempty" maxLength:"256" doc:"run as that user by sudo, which must not ask for a password"`
	PTY         *bool             `json:"pty,omitempty"`
	User        string            `json:"user,omitempty" maxLength:"256" doc:"log in as that user, if you may"`
	Note        string            `json:"note,omitempty" maxLength:"10000"`
	RecordLimit string            `json:"record_limit,omitempty" maxLength:"20" doc:"such as 4MiB"`
}

// LimitKeys say how many hosts at once, for how long, how often, and in which order.
type LimitKeys struct {
	Fanout         *int     `json:"fanout,omitempty" minimum:"1"`
	Timeout        string   `json:"timeout,omitempty" maxLength:"20" doc:"of the command, such as 30s"`
	ConnectTimeout string   `json:"connect_timeout,omitempty" maxLength:"20"`
	Deadline       string   `json:"deadline,omitempty" maxLength:"20" doc:"of the whole run"`
	KillAfter      string   `json:"kill_after,omitempty" maxLength:"20"`
	Drain          string   `json:"drain,omitempty" maxLength:"20"`
	Retries        *int     `json:"retries,omitempty" minimum:"0"`
	RetryOn        []string `json:"retry_on,omitempty" enum:"unreachable,lost,timeout,failed"`
	RetryDelay     string   `json:"retry_delay,omitempty" maxLength:"20"`
	Batch          string   `json:"batch,omitempty" maxLength:"1000" doc:"such as 1,10%,100%"`
	Pause          string   `json:"pause,omitempty" maxLength:"20"`
	MaxFail        string   `json:"max_fail,omitempty" maxLength:"20"`
}

// LocalKeys would act on the machine of the daemon; they are refused by name.
type LocalKeys struct {
	Inventory       any `json:"inventory,omitempty" doc:"refused: the daemon has its own"`
	Named           any `json:"hosts,omitempty" doc:"refused: hosts are those of the inventory"`
	Port            any `json:"port,omitempty" doc:"refused"`
	Identity        any `json:"identity,omitempty" doc:"refused"`
	HostKeys        any `json:"host_keys,omitempty" doc:"refused"`
	KnownHosts      any `json:"known_hosts,omitempty" doc:"refused"`
	Jump            any `json:"jump,omitempty" doc:"refused"`
	SSHConfig       any `json:"ssh_config,omitempty" doc:"refused"`
	Persist         any `json:"persist,omitempty" doc:"refused: the daemon has its own connections"`
	PersistMax      any `json:"persist_max,omitempty" doc:"refused"`
	AskPass         any `json:"ask_pass,omitempty" doc:"refused: the daemon cannot prompt"`
	AskSudoPass     any `json:"ask_sudo_pass,omitempty" doc:"refused: the daemon cannot prompt"`
	SudoPassCommand any `json:"sudo_pass_command,omitempty" doc:"refused"`
	History         any `json:"history,omitempty" doc:"refused: the daemon has its own"`
	NoHistory       any `json:"no_history,omitempty" doc:"refused: runs are recorded"`
	RunIDFile       any `json:"run_id_file,omitempty" doc:"refused"`
}

// Local is the name of a refused key that is set; empty: none is.
func (l *LocalKeys) Local() string {
	for name, value := range fields(l) {
		if !value.IsZero() {
			return name
		}
	}
	return ""
}

// Keys are the texts of the keys that were given, by name, as runner.Request.Set wants
// them. For a secret that is its name.
func Keys(parts ...any) map[string][]string {
	keys := make(map[string][]string)
	for _, part := range parts {
		for name, value := range fields(part) {
			name = strings.ReplaceAll(name, "_", "-")
			key, known := runner.KeyNamed(name)
			if !known || value.IsZero() {
				continue
			}
			if keys[name] = textsOf(value); key.Kind() != "list" {
				keys[name] = []string{strings.Join(keys[name], ",")}
			}
		}
		if task, ok := part.(*TaskKeys); ok {
			task.addTo(keys)
		}
	}
	return keys
}

// addTo adds what has no value that is a text.
func (t *TaskKeys) addTo(keys map[string][]string) {
	delete(keys, "env")
	for _, name := range slices.Sorted(maps.Keys(t.Env)) {
		keys["env"] = append(keys["env"], name+"="+t.Env[name])
	}
	keys["env"] = append(keys["env"], slices.Sorted(maps.Keys(t.SecretEnv))...)
	if keys["env"] == nil {
		delete(keys, "env")
	}
	delete(keys, "stdin")
	if t.Stdin != nil || t.StdinBase64 != nil {
		keys["stdin"] = []string{"-"}
	}
}

// textsOf are the texts of a value.
func textsOf(v reflect.Value) []string {
	switch v := v.Interface().(type) {
	case string:
		return []string{v}
	case *int:
		return []string{strconv.Itoa(*v)}
	case *bool:
		return []string{strconv.FormatBool(*v)}
	case []string:
		return v
	}
	return nil
}

// fields are the fields of a form, a pointer to a struct, by their names.
func fields(form any) map[string]reflect.Value {
	v := reflect.ValueOf(form).Elem()
	all := make(map[string]reflect.Value, v.NumField())
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		all[name] = v.Field(i)
	}
	return all
}

// A RerunRequest asks to repeat a run; a key that is given replaces that of the run, and
// variables are added.
type RerunRequest struct {
	Outcomes []string `json:"outcomes,omitempty" enum:"ok,failed,timeout,lost,unreachable,canceled,skipped" doc:"on the hosts with one of these; default: those that are not ok"`
	All      bool     `json:"all,omitempty" doc:"on all its hosts"`
	Hosts
	TaskKeys
	LimitKeys
	Priority           int   `json:"priority,omitempty" minimum:"-1000" maximum:"1000"`
	IncludeMaintenance bool  `json:"include_maintenance,omitempty" doc:"do not leave out the hosts that are in maintenance"`
	TuttiEnv           *bool `json:"tutti_env,omitempty" doc:"whether the variables TUTTI_RUN, TUTTI_HOST and TUTTI_ATTEMPT are set"`
	Receivers
	DryRun bool `json:"dry_run,omitempty" doc:"say what the run would do, as /plan does; nothing is run"`
	LocalKeys
}

// A PingRequest asks for a login on hosts without a command.
type PingRequest struct {
	Selector string `json:"selector" maxLength:"65536" doc:"which hosts"`
	Hosts
	User           string `json:"user,omitempty" maxLength:"256" doc:"log in as that user, if you may"`
	Fanout         *int   `json:"fanout,omitempty" minimum:"1"`
	ConnectTimeout string `json:"connect_timeout,omitempty" maxLength:"20"`
	Deadline       string `json:"deadline,omitempty" maxLength:"20" doc:"of the whole run"`
	Retries        *int   `json:"retries,omitempty" minimum:"0"`
	RetryDelay     string `json:"retry_delay,omitempty" maxLength:"20"`
	Note           string `json:"note,omitempty" maxLength:"10000"`
	RecordLimit    string `json:"record_limit,omitempty" maxLength:"20" doc:"such as 4MiB"`
	Priority       int    `json:"priority,omitempty" minimum:"-1000" maximum:"1000"`
	DryRun         bool   `json:"dry_run,omitempty" doc:"say what the run would do, as /plan does; nothing is run"`
	LocalKeys
}

// A StartedRun is a run that was submitted, as it is now.
type StartedRun struct {
	Run
	// Warnings are about the decision.
	Warnings []string `json:"warnings,omitempty"`
}

// A KillRequest says how a run is stopped; nil: as without How.
type KillRequest struct {
	How string `json:"how,omitempty" enum:"end,halt" doc:"end, the default: running commands are stopped; halt: they go on, and no more hosts are started"`
}

// The values of KillRequest.How.
const (
	KillEnd  = "end"
	KillHalt = "halt"
)

// Halts reports whether running commands go on.
func (r *KillRequest) Halts() bool { return r != nil && r.How == KillHalt }

// A Killed is a run that is being stopped.
type Killed struct {
	Schema      int          `json:"schema"` // 1
	Type        string       `json:"type"`   // "kill"
	Run         int64        `json:"run"`
	RequestedAt *event.Time  `json:"requested_at,omitempty"`
	State       store.State  `json:"state"`
	Hosts       []KilledHost `json:"hosts"`
}

// A KilledHost is a host of a run that is being stopped: State is "ended", "requested",
// "running" if its command goes on, or "unknown" if the run is over and the end of its
// command was not recorded.
type KilledHost struct {
	Host  string `json:"host"`
	State string `json:"state"`
}

// A QueueItem is a submitted run that waits, or any that is running.
type QueueItem struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "queue_item"
	Run    Run    `json:"run"`
	// Place is 1 for the next; absent if it is running. WaitsFor is "start", "turn",
	// "secrets" or "daemon"; absent if it runs.
	Place    int         `json:"place,omitempty"`
	WaitsFor string      `json:"waits_for,omitempty"`
	Priority int         `json:"priority"`
	QueuedAt *event.Time `json:"queued_at,omitempty"`
	// Daemon is the number of the daemon that executes it, or is about to, or has the
	// secrets that it waits for; absent if there is none.
	Daemon int64 `json:"daemon,omitempty"`
}

// NewQueueItem is the form of a run that waits; run is its form.
func NewQueueItem(w *store.WaitingRun, run Run) QueueItem {
	at := event.Time(w.At)
	return QueueItem{
		Schema: 1, Type: "queue_item", Run: run, Place: w.Place, WaitsFor: string(w.For), Priority: w.Priority, QueuedAt: &at, Daemon: cmp.Or(w.Owner, w.Secrets),
	}
}

// A MoveRequest changes the priority of a run that waits.
type MoveRequest struct {
	Priority int `json:"priority" minimum:"-1000" maximum:"1000" doc:"the highest is first"`
}

// A PruneRequest says what is kept; empty: what the daemon keeps.
type PruneRequest struct {
	Keep     string `json:"keep,omitempty" maxLength:"20" doc:"runs that are not older, such as 30d"`
	KeepRuns int    `json:"keep_runs,omitempty" minimum:"1" doc:"the newest runs, this many"`
	MaxSize  string `json:"max_size,omitempty" maxLength:"20" doc:"such as 1GiB"`
}

// A Pruned is what was deleted.
type Pruned struct {
	Schema int    `json:"schema"` // 1
	Type   string `json:"type"`   // "pruned"
	Runs   int    `json:"runs"`
	// Held is how many runs stay although they were not to be kept: their firings are not
	// settled yet.
	Held  int   `json:"held"`
	Bytes int64 `json:"bytes"`
}
