package fanout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Task is what is done on a target, the same for every target of a plan. The
// zero Task is a Ping.
type Task struct {
	// Action is what is done. The other fields are what a command or a script
	// finds there. Nil: Ping.
	Action Action
	// Stdin is what the command reads. Nil: nothing, it finds the end at once.
	Stdin Input
	// StdinName is what people call Stdin: a path, or "-".
	StdinName string
	// Env is added to the command's environment.
	Env []Variable
	// Dir is where the command runs. Empty: where a login leads.
	Dir string
	// Sudo makes the command run as another user. Nil: as the one logged in.
	Sudo *Sudo
	// PTY gives the command a terminal, on which its two outputs are one. Nil:
	// none.
	PTY *PTY
	// HostEnv gives the command variables that say which host it runs on; see
	// [Attempt.HostVariables].
	HostEnv bool
	// Job gives the command variables that say what it is run for. Nil: none.
	Job *JobInfo
}

// An Action is one of Command, *Script, *Transfer and Ping.
type Action interface{ isAction() }

// A Command is a line that the remote user's login shell reads, or with Sudo sh.
type Command string

// A Ping connects, logs in and runs nothing.
type Ping struct{}

func (Command) isAction() {}
func (*Script) isAction() {}
func (Ping) isAction()    {}

// Runs reports whether there is something to run.
func (t Task) Runs() bool {
	switch t.Action.(type) {
	case Command, *Script, *Transfer:
		return true
	}
	return false
}

// Label is what people call the task: a command by itself, anything else by its Label.
// It is empty for a Ping, and for nothing else that can be recorded.
func (t Task) Label() string {
	switch a := t.Action.(type) {
	case Command:
		return string(a)
	case *Script:
		return a.Label
	case *Transfer:
		return a.Label
	}
	return ""
}

// A Script is a program on this machine that is run on the target and leaves
// nothing there.
type Script struct {
	// Label is what people call it: the words by which it was asked for, such as
	// "script deploy.sh web".
	Label string
	// Source holds the program, Size its length in bytes.
	Source Input
	Size   int64
	// SHA256 of the program, in hexadecimal.
	SHA256 string
	// Interpreter is what its first line names: a path, and at most one
	// argument.
	Interpreter []string
	// Args are given to the program as they are.
	Args []string
	// Name is the path that the program was read from, or "-".
	Name string
}

// An Input is read by every target at its own pace, and from the start again
// in every attempt. Many goroutines call Open at once. Its creator closes it.
type Input interface {
	// Open returns a reader that begins with the first byte. Its Read may wait
	// for more to come, but no longer than until ctx is done. An error other
	// than io.EOF says that the rest cannot be had.
	Open(ctx context.Context) io.Reader
	// Close releases what the input holds. It is called once, after all reads.
	Close() error
}

// A Variable of the environment. Its value is Value, or Secret if that is not
// nil.
type Variable struct {
	Name  string
	Value string
	// Secret is kept out of every record. Of a task that was read from the
	// record it is empty.
	Secret Secret
}

// Sudo says as whom to run a command, by sudo.
type Sudo struct {
	// User by name, or by number as #1000; must not be empty.
	User string
	// Password is for sudo when it asks. Nil: there is none, and a sudo that
	// asks is a failure.
	Password Secret
}

// Format leaves the password out, for every verb: package fmt does not ask a
// Secret that stands behind a pointer.
func (s Sudo) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "{%s %s}", s.User, secretText) }

// A PTY is a terminal as a command gets to see it.
type PTY struct {
	// Term is its type, as in $TERM.
	Term string
	// Columns and Rows are its size in characters.
	Columns, Rows int
}

// A JobInfo describes to a command the firing that it runs for, so that it can find out
// whether it has run for it before.
type JobInfo struct {
	// Name of the job.
	Name string
	// ScheduledAt is the scheduled time; zero for a job that is run manually.
	ScheduledAt time.Time
}

// Variables of the attempt a at the job: TUTTI_RUN, TUTTI_JOB,
// TUTTI_SCHEDULED_AT (empty for a manual run), TUTTI_ATTEMPT and TUTTI_HOST.
func (j *JobInfo) Variables(a Attempt) []Variable {
	scheduled := ""
	if !j.ScheduledAt.IsZero() {
		scheduled = j.ScheduledAt.UTC().Format(time.RFC3339)
	}
	return []Variable{
		{Name: "TUTTI_RUN", Value: strconv.FormatInt(a.RunID, 10)},
		{Name: "TUTTI_JOB", Value: j.Name},
		{Name: "TUTTI_SCHEDULED_AT", Value: scheduled},
		{Name: "TUTTI_ATTEMPT", Value: strconv.Itoa(a.N)},
		{Name: "TUTTI_HOST", Value: a.Target.Name},
	}
}

// A Secret is never shown: however it is printed or encoded, what can be seen
// is that there is one.
type Secret []byte

const secretText = "[secret]"

// String says that there is a secret.
func (Secret) String() string { return secretText }

// Format does so for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, secretText) }

// MarshalText does so for encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte(secretText), nil }

// Wipe overwrites the secret. It must not be used after that.
func (s Secret) Wipe() { clear(s) }

// variableName is what every shell accepts as the name of a variable.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// IsVariableName reports whether every shell accepts name as that of a variable.
func IsVariableName(name string) bool { return variableName.MatchString(name) }

// sudoUser leaves out what sudo, or a shell, would read as something else.
var sudoUser = regexp.MustCompile(`^(#[0-9]+|[A-Za-z0-9_.][A-Za-z0-9_.@\\-]*\$?)$`)

// Check reports the first thing in the task that cannot be done anywhere. No
// value of a variable is in the error.
func (t Task) Check() error {
	switch c, ok := t.Action.(Command); {
	case ok && c == "":
		return errors.New("empty command")
	case strings.ContainsRune(string(c), 0):
		return errors.New("the command contains a NUL byte")
	}
	for _, v := range t.Env {
		if !IsVariableName(v.Name) {
			return fmt.Errorf("%q is not a variable name: want letters, digits and _, not starting with a digit", v.Name)
		}
		if strings.ContainsRune(v.Value, 0) || strings.ContainsRune(string(v.Secret), 0) {
			return fmt.Errorf("the value of %s contains a NUL byte", v.Name)
		}
	}
	if strings.ContainsRune(t.Dir, 0) {
		return errors.New("the directory name contains a NUL byte")
	}
	if t.Job != nil && strings.ContainsRune(t.Job.Name, 0) {
		return errors.New("the job name contains a NUL byte")
	}
	if t.Sudo != nil && !sudoUser.MatchString(t.Sudo.User) {
		return fmt.Errorf("%q is not a user name", t.Sudo.User)
	}
	if s, ok := t.Action.(*Script); ok {
		return s.check()
	}
	return nil
}

func (s *Script) check() error {
	if s.Source == nil || s.Size <= 0 || len(s.Interpreter) == 0 || len(s.Interpreter) > 2 {
		return fmt.Errorf("script %q: it needs a source, a size and an interpreter", s.Name)
	}
	for _, arg := range slices.Concat(s.Interpreter, s.Args) {
		if strings.ContainsRune(arg, 0) {
			return fmt.Errorf("script %q: an argument contains a NUL byte", s.Name)
		}
	}
	return nil
}

// taskJSON is the recorded form of a Task. Its field names are public: they
// stand in the plan column of the history. Secrets and contents are not in it.
type taskJSON struct {
	Command  string         `json:"command,omitempty"`
	Script   *scriptJSON    `json:"script,omitempty"`
	Transfer *transferJSON  `json:"transfer,omitempty"`
	Stdin    string         `json:"stdin,omitempty"`
	Env      []variableJSON `json:"env,omitempty"`
	Dir      string         `json:"dir,omitempty"`
	Sudo     *sudoJSON      `json:"sudo,omitempty"`
	PTY      *ptyJSON       `json:"pty,omitempty"`
	HostEnv  bool           `json:"host_env,omitempty"`
	Job      *jobJSON       `json:"job,omitempty"`
}

type jobJSON struct {
	Name        string    `json:"name"`
	ScheduledAt time.Time `json:"scheduled_at,omitzero"`
}

type scriptJSON struct {
	Name        string   `json:"name"`
	Size        int64    `json:"size"`
	SHA256      string   `json:"sha256"`
	Interpreter []string `json:"interpreter"`
	Args        []string `json:"args,omitempty"`
}

type variableJSON struct {
	Name   string  `json:"name"`
	Value  *string `json:"value,omitempty"`
	Secret bool    `json:"secret,omitempty"`
}

type sudoJSON struct {
	User     string `json:"user"`
	Password bool   `json:"password,omitempty"`
}

type ptyJSON struct {
	Term    string `json:"term,omitempty"`
	Columns int    `json:"columns,omitempty"`
	Rows    int    `json:"rows,omitempty"`
}

// MarshalJSON writes what may be known of the task: of secrets that there is
// one, of the script and the input what they are called.
func (t Task) MarshalJSON() ([]byte, error) {
	v := taskJSON{Command: t.Label(), Stdin: t.StdinName, Dir: t.Dir, HostEnv: t.HostEnv}
	if s, ok := t.Action.(*Script); ok {
		v.Script = &scriptJSON{s.Name, s.Size, s.SHA256, s.Interpreter, s.Args}
	}
	if f, ok := t.Action.(*Transfer); ok {
		v.Transfer = f.form()
	}
	for _, e := range t.Env {
		w := variableJSON{Name: e.Name, Secret: e.Secret != nil}
		if !w.Secret {
			w.Value = &e.Value
		}
		v.Env = append(v.Env, w)
	}
	if t.Sudo != nil {
		v.Sudo = &sudoJSON{t.Sudo.User, t.Sudo.Password != nil}
	}
	if t.PTY != nil {
		v.PTY = (*ptyJSON)(t.PTY)
	}
	if t.Job != nil {
		v.Job = (*jobJSON)(t.Job)
	}
	return json.Marshal(v)
}

// UnmarshalJSON reads what MarshalJSON wrote. The secrets of such a task are
// empty, its script and input have no source, and its transfer no mover; they must be
// set before it is run.
func (t *Task) UnmarshalJSON(data []byte) error {
	var v taskJSON
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	*t = Task{Action: v.action(), StdinName: v.Stdin, Dir: v.Dir, PTY: (*PTY)(v.PTY), HostEnv: v.HostEnv, Job: (*JobInfo)(v.Job)}
	for _, e := range v.Env {
		w := Variable{Name: e.Name}
		if e.Secret {
			w.Secret = Secret{}
		}
		if e.Value != nil {
			w.Value = *e.Value
		}
		t.Env = append(t.Env, w)
	}
	if v.Sudo != nil {
		t.Sudo = &Sudo{User: v.Sudo.User}
		if v.Sudo.Password {
			t.Sudo.Password = Secret{}
		}
	}
	return nil
}

func (v *taskJSON) action() Action {
	switch s := v.Script; {
	case s != nil:
		return &Script{Label: v.Command, Name: s.Name, Size: s.Size, SHA256: s.SHA256, Interpreter: s.Interpreter, Args: s.Args}
	case v.Transfer != nil:
		return v.Transfer.action(v.Command)
	case v.Command != "":
		return Command(v.Command)
	}
	return Ping{}
}
