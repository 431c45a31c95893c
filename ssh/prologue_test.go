package ssh

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"tutti/fanout"
	"tutti/internal/fleet"
)

// text is an input that is there at once.
type text string

func (t text) Open(context.Context) io.Reader { return strings.NewReader(string(t)) }
func (text) Close() error                     { return nil }

// nasty is what quoting has to survive.
const nasty = "a b'c\"d$HOME`id`\\e\\\\f!g\n\th*?[x]{1,2}~#;&|<>()\xff\x81\xc3é \n"

// shellBench is a fleet whose hosts have real shells.
func shellBench(tb testing.TB, n int, change func(*Options)) *bench {
	tb.Helper()
	hosts := make([]fleet.Host, n)
	for i := range hosts {
		hosts[i] = fleet.Host{Name: "h" + string(rune('0'+i)), Exec: fleet.Shell("")}
	}
	return newBench(tb, hosts, change)
}

func script(body, interpreter string, args ...string) *fanout.Script {
	return &fanout.Script{Source: text(body), Size: int64(len(body)), Interpreter: strings.Fields(interpreter), Args: args, Name: "s"}
}

// environments are tasks with their expected output on any POSIX system.
var environments = []struct {
	name   string
	task   fanout.Task
	stdout string
	stderr string
	code   uint32
}{
	{name: "a variable", task: fanout.Task{Action: fanout.Command(`printf %s "$A"`), Env: []fanout.Variable{{Name: "A", Value: nasty}}}, stdout: nasty},
	{name: "an empty variable", task: fanout.Task{Action: fanout.Command(`echo "${A-unset}"`), Env: []fanout.Variable{{Name: "A"}}}, stdout: "\n"},
	{name: "a secret", task: fanout.Task{Action: fanout.Command(`printf %s "$A"; cat`), Env: []fanout.Variable{{Name: "A", Secret: fanout.Secret(nasty)}}}, stdout: nasty},
	{name: "an empty secret", task: fanout.Task{Action: fanout.Command(`echo "${A-unset}"`), Env: []fanout.Variable{{Name: "A", Secret: fanout.Secret{}}}}, stdout: "\n"},
	{
		name: "long secrets, in order", task: fanout.Task{
			Action: fanout.Command(`printf '%s|%s|%s|' "$A" "$B" "$C"; env | grep -c _tutti`),
			Env: []fanout.Variable{
				{Name: "A", Secret: fanout.Secret(strings.Repeat("x", 5000))},
				{Name: "B", Value: "plain"},
				{Name: "C", Secret: fanout.Secret("z\n\n")},
			},
		},
		stdout: strings.Repeat("x", 5000) + "|plain|z\n\n|0\n", code: 1,
	},
	{name: "a directory", task: fanout.Task{Action: fanout.Command("pwd"), Dir: "/"}, stdout: "/\n"},
	{name: "no directory", task: fanout.Task{Action: fanout.Command("pwd"), Dir: "/no'pe"}, stderr: "tutti: change to /no'pe: no such directory\n", code: 125},
	{name: "a file for a directory", task: fanout.Task{Action: fanout.Command("pwd"), Dir: "/dev/null"}, stderr: "tutti: change to /dev/null: not a directory\n", code: 125},
	{name: "a directory that looks like a flag", task: fanout.Task{Action: fanout.Command("pwd"), Dir: "-"}, stderr: "tutti: change to -: no such directory\n", code: 125},
	{name: "the command as it is", task: fanout.Task{Action: fanout.Command("printf %s '" + strings.ReplaceAll(nasty, "'", "") + "'"), Dir: "/"}, stdout: strings.ReplaceAll(nasty, "'", "")},
	{name: "an input", task: fanout.Task{Action: fanout.Command("cat"), Stdin: text("in\x00put")}, stdout: "in\x00put"},
	{name: "an empty input", task: fanout.Task{Action: fanout.Command("cat"), Stdin: text("")}},
	{name: "a large input", task: fanout.Task{Action: fanout.Command("wc -c | tr -d ' '"), Stdin: text(strings.Repeat("x", 5_000_000))}, stdout: "5000000\n"},
	{name: "an input that the command does not read", task: fanout.Task{Action: fanout.Command("exec <&-; echo done"), Stdin: text(strings.Repeat("x", 5_000_000))}, stdout: "done\n"},
	{
		name:   "an input behind a secret",
		task:   fanout.Task{Action: fanout.Command(`echo "$A"; cat`), Stdin: text("first\nsecond\n"), Env: []fanout.Variable{{Name: "A", Secret: fanout.Secret("s")}}},
		stdout: "s\nfirst\nsecond\n",
	},
	{
		name:   "a script with arguments",
		task:   fanout.Task{Action: script("#!/bin/sh -e\nprintf '%s|' \"$@\"; cat\n", "/bin/sh -e", "a b", "", nasty, "*", "-x")},
		stdout: "a b||" + nasty + "|*|-x|",
	},
	{
		name: "a script with everything",
		task: fanout.Task{
			Action: script("#!/bin/sh\npwd; echo \"$A $B\"; cat\n", "/bin/sh"), Dir: "/", Stdin: text("in\nput"),
			Env: []fanout.Variable{{Name: "A", Secret: fanout.Secret("secret")}, {Name: "B", Value: "public"}},
		},
		stdout: "/\nsecret public\nin\nput",
	},
	{
		name:   "a binary script",
		task:   fanout.Task{Action: script("#!/bin/cat\n\x00\xff\r\n"+strings.Repeat("\x00\x01", 200_000), "/bin/cat")},
		stdout: "#!/bin/cat\n\x00\xff\r\n" + strings.Repeat("\x00\x01", 200_000),
	},
	{
		name: "a job",
		task: fanout.Task{
			Action: fanout.Command(`echo "$TUTTI_RUN $TUTTI_JOB $TUTTI_SCHEDULED_AT $TUTTI_ATTEMPT ${TUTTI_HOST:+there} $A"`),
			Job:    &fanout.JobInfo{Name: "nightly", ScheduledAt: time.Date(2026, 3, 8, 2, 30, 0, 0, time.FixedZone("", 3600))},
			Env:    []fanout.Variable{{Name: "A", Secret: fanout.Secret("s")}},
		},
		stdout: "0 nightly 2026-03-08T01:30:00Z 1 there s\n",
	},
	{
		name: "a job run manually, and a variable named like tutti's own",
		task: fanout.Task{
			Action: fanout.Command(`echo "${TUTTI_SCHEDULED_AT-unset}|$TUTTI_JOB"`),
			Job:    &fanout.JobInfo{Name: "nightly"},
			Env:    []fanout.Variable{{Name: "TUTTI_JOB", Value: "mine"}},
		},
		stdout: "|mine\n",
	},
	{name: "a script without its interpreter", task: fanout.Task{Action: script("#!/no/such\n", "/no/such")}, stderr: "*", code: 127},
}

func checkEnvironments(t *testing.T, b *bench) {
	for _, tt := range environments {
		t.Run(tt.name, func(t *testing.T) {
			r := b.task(t.Context(), 0, tt.task)
			t.Logf("stderr: %.300q", r.stderr.String()) // shown if it fails
			r.wantExit(t, fanout.Exit{Code: tt.code})
			if got := r.stdout.String(); got != tt.stdout {
				t.Errorf("got stdout %.300q, want %.300q", got, tt.stdout)
			}
			if got := r.stderr.String(); tt.stderr != "*" && got != tt.stderr {
				t.Errorf("got stderr %q, want %q", got, tt.stderr)
			}
		})
	}
}

func TestEnvironmentReachesTheCommand(t *testing.T) { checkEnvironments(t, shellBench(t, 1, nil)) }

// TestScriptHasNoName: other users cannot find the script, and nothing of it is
// left, however it ends.
func TestScriptHasNoName(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("open files have no names to look at here")
	}
	b := shellBench(t, 1, nil)
	r := b.task(t.Context(), 0, fanout.Task{Action: script("#!/bin/sh\nreadlink /proc/$$/fd/9\n", "/bin/sh")})
	r.wantExit(t, fanout.Exit{})
	name, ok := strings.CutSuffix(strings.TrimSpace(r.stdout.String()), " (deleted)")
	if _, err := os.Lstat(name); !ok || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %q, error %v, want a file that has been removed", r.stdout.String(), err)
	}
}

// A brokenInput cannot be read to its end.
type brokenInput struct{ text }

var errBroken = errors.New("the disk is on fire")

func (b brokenInput) Open(context.Context) io.Reader {
	return io.MultiReader(strings.NewReader(string(b.text)), iotest.ErrReader(errBroken))
}

func (brokenInput) Close() error { return nil }

// TestInputBreaks: half an input is never taken for a whole one.
func TestInputBreaks(t *testing.T) {
	half := brokenInput{"#!/bin/sh\necho half >&2\n"}
	tests := []struct {
		name string
		task fanout.Task
	}{
		{"input", fanout.Task{Action: fanout.Command("cat >/dev/null; echo half >&2"), Stdin: half}},
		{"script", fanout.Task{Action: &fanout.Script{Source: half, Size: 500, Interpreter: []string{"/bin/sh"}}}},
		{"short script", fanout.Task{Action: &fanout.Script{Source: half.text, Size: 500, Interpreter: []string{"/bin/sh"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := shellBench(t, 1, nil)
			r := b.task(t.Context(), 0, tt.task)
			r.wantOp(t, fanout.OpLocal, true)
			if got, want := r.Failure.Message, "read the input: "; !strings.HasPrefix(got, want) || r.Failure.Remote != fanout.RemoteEnded || !r.Failure.Final {
				t.Errorf("got %+v, want a final failure %q..., and the command ended", *r.Failure, want)
			}
			if got := r.stderr.String(); strings.Contains(got, "half") {
				t.Errorf("got stderr %q: the command took half for the whole", got)
			}
		})
	}
}

// TestInputOfAWaitingRun: a run that is stopped does not wait for its input.
func TestInputOfAWaitingRun(t *testing.T) {
	b := shellBench(t, 1, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	opened := make(chan struct{})
	done := make(chan *record, 1)
	go func() { done <- b.task(ctx, 0, fanout.Task{Action: fanout.Command("cat"), Stdin: silentInput{opened}}) }()
	<-opened
	cancel(fanout.ErrSignal)
	(<-done).wantOp(t, fanout.OpCanceled, true)
}

// A silentInput has nothing to give, and says when it is first asked.
type silentInput struct{ opened chan struct{} }

func (s silentInput) Open(ctx context.Context) io.Reader {
	return readerFunc(func([]byte) (int, error) {
		close(s.opened)
		<-ctx.Done()
		return 0, ctx.Err()
	})
}

func (silentInput) Close() error { return nil }
