package cmd_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	gossh "golang.org/x/crypto/ssh"

	"tutti/cmd"
	"tutti/internal/fleet"
	"tutti/internal/hostlist"
	"tutti/internal/jsondoc"
	"tutti/internal/pgtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tutti": func() {
			signals := make(chan os.Signal, 8)
			signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE, syscall.SIGUSR1)
			os.Exit(cmd.Main(os.Args[1:], cmd.System(), signals))
		},
	})
}

// TestScripts runs the program against a fleet on loopback: a script per
// command and exit code.
func TestScripts(t *testing.T) { runScripts(t, "testdata/script", nil) }

// TestScriptsOnPostgres runs scripts about the history, jobs and daemons with a history in
// PostgreSQL: what they show does not depend on the engine.
func TestScriptsOnPostgres(t *testing.T) {
	server := pgtest.Start(t)
	params := scriptParams(t, map[string]scriptCommand{"same": runSame})
	params.Dir = "testdata/postgres"
	for _, name := range onPostgres {
		params.Files = append(params.Files, filepath.Join("testdata/script", name+".txtar"))
	}
	onFile := params.Setup
	params.Setup = func(env *testscript.Env) error {
		env.Setenv("TUTTI_HISTORY", server.NewDatabase(t))
		env.Setenv("EMPTY", server.NewDatabase(t))
		env.Setenv("PASSWORD", server.Password)
		env.Setenv("BYPORT", server.TCP("postgres", 0))
		env.Setenv("WRONG", strings.Replace(server.TCP("postgres", 0), server.Password, "hunter2", 1))
		return onFile(env)
	}
	testscript.Run(t, params)
}

// runSame asserts that a command shows the same of the history and of $EMPTY: same COMMAND...
func runSame(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("same cannot be negated")
	}
	ts.Check(ts.Exec("tutti", args...))
	one := ts.ReadFile("stdout")
	ts.Check(ts.Exec("tutti", append(args, "--history", ts.Getenv("EMPTY"))...))
	if other := ts.ReadFile("stdout"); other != one {
		ts.Fatalf("tutti %s shows\n%s\nand in the database\n%s", strings.Join(args, " "), one, other)
	}
}

// onPostgres are scripts that neither look into the file of the history nor kill a process
// that records into it, which counts as alive for some seconds then.
var onPostgres = []string{
	"diff", "exit_record", "history", "job_add", "job_edit", "job_run", "job_state", "kill", "maintenance", "retries", "serve_queue",
}

// runScripts runs the scripts in dir with the commands below and more.
func runScripts(t *testing.T, dir string, more map[string]scriptCommand) {
	t.Helper()
	params := scriptParams(t, more)
	params.Dir = dir
	testscript.Run(t, params)
}

// scriptParams are those of scripts, with a history in a file unless another was set.
func scriptParams(t *testing.T, more map[string]scriptCommand) testscript.Params {
	t.Helper()
	// The hosts have a sudo that behaves as ~/sudo.mode says.
	bin, err := filepath.Abs("../internal/fleet/testdata/bin")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := filepath.Abs("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	commands := map[string]scriptCommand{
		"fleet":   startFleet,
		"ran":     checkRan,
		"code":    checkCode,
		"linesof": checkLines,
		"signal":  sendSignal,
		"waitfor": waitForFile,
		"decoded": decodeEvents,
		"nowhere": checkNowhere,
		"sql":     changeHistory,
		"both":    runBothWays,
		"alike":   runAlike,
		"ways":    setWays,
		// envfile NAME FILE: the variable is what the file holds
		"envfile": func(ts *testscript.TestScript, _ bool, args []string) {
			ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
		},
		// documented FILE: every line of JSON in it is as docs/json.md says
		"documented": checkDocumented,
	}
	maps.Copy(commands, more)
	return testscript.Params{
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("HOME", home)
			env.Setenv("USER", "tester")
			env.Setenv("TZ", "UTC")
			// Each of a thousand programs would wait a second at its end for races.
			env.Setenv("GORACE", "atexit_sleep_ms=10")
			env.Setenv("README", readme)
			if env.Getenv("TUTTI_HISTORY") == "" {
				env.Setenv("TUTTI_HISTORY", filepath.Join(env.WorkDir, "history.db"))
			}
			env.Values[siteKey{}] = &site{}
			env.Values[testKey{}] = t
			return os.Mkdir(home, 0o700)
		},
		Cmds: commands,
	}
}

// A scriptCommand is a command of the scripts; neg says that it has a ! before
// it.
type scriptCommand = func(ts *testscript.TestScript, neg bool, args []string)

// A site is what the commands of one script share.
type site struct {
	fleet    *fleet.Fleet
	terminal any // what runs at a terminal; nil: nothing
}

type siteKey struct{}

// startFleet starts a fleet for the script and points the environment to it:
//
//	fleet web[01-03] db1=down db2=cut:4000
//
// It writes hosts.yaml with the hosts and a group for the letters that names
// begin with, the key id_ed25519, and known_hosts.
func startFleet(ts *testscript.TestScript, _ bool, args []string) {
	key := fleet.NewKey()
	opts := fleet.Options{}
	opts.Authorized = append(opts.Authorized, key.PublicKey())
	var unknown []string
	for _, arg := range args {
		pattern, fault, _ := strings.Cut(arg, "=")
		names, err := hostlist.Expand(pattern)
		ts.Check(err)
		for _, name := range names {
			h := fleet.Host{Name: name}
			if fault == "unknown" {
				unknown = append(unknown, name)
				h.HostKey = fleet.NewKey()
			} else {
				setFault(ts, &h, fault)
			}
			opts.Hosts = append(opts.Hosts, h)
		}
	}
	f, err := fleet.Start(opts)
	ts.Check(err)
	ts.Defer(func() { ts.Check(f.Close()) })
	ts.Value(siteKey{}).(*site).fleet = f

	ts.Check(key.WriteFile(ts.MkAbs("id_ed25519"), ""))
	ts.Check(os.WriteFile(ts.MkAbs("known_hosts"), knownHosts(f, unknown), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("hosts.yaml"), fleetInventory(f, opts.Hosts), 0o600))
	ts.Setenv("TUTTI_INVENTORY", ts.MkAbs("hosts.yaml"))
	ts.Setenv("TUTTI_KNOWN_HOSTS", ts.MkAbs("known_hosts"))
}

// setFault reads the fault of a host: a word, or word:number.
func setFault(ts *testscript.TestScript, h *fleet.Host, fault string) {
	word, number, _ := strings.Cut(fault, ":")
	n, _ := strconv.ParseInt(number, 10, 64)
	switch word {
	case "":
	case "down":
		h.Down = true
	case "sftp":
		h.SFTP = fleet.SFTP("")
	case "forward":
		h.Forward = true
	case "refuse":
		h.Faults.Refuse = true
	case "throttle":
		h.Faults.Throttle = "Exceeded MaxStartups"
	case "stall":
		h.Faults.Stall = fleet.StepVersion
	case "badkey":
		h.Faults.WrongHostKey = true
	case "noauth":
		h.Faults.RejectAuth = true
	case "password":
		h.Password, h.Faults.RejectAuth = "open sesame", true
	case "nostatus":
		h.Faults.NoExit = true
	case "killed":
		h.Faults.Exit = &fleet.Exit{Signal: "KILL"}
	case "hold":
		h.Faults.Hold = fleet.Forever
	case "cut":
		h.Faults.Cut = &fleet.Cut{After: n, FromExec: true}
	case "flood":
		h.Faults.Flood = n
	case "banner":
		h.Faults.Banner = "authorised use only\x1b[2J\n"
	case "noopen":
		h.Faults.RejectOpen = &gossh.OpenChannelError{Reason: gossh.ConnectionFailed, Message: "open failed"}
	case "noexec":
		h.Faults.RejectExec = true
	default:
		ts.Fatalf("unknown fault %q", fault)
	}
}

func knownHosts(f *fleet.Fleet, unknown []string) []byte {
	var out []byte
lines:
	for line := range strings.Lines(string(f.KnownHosts())) {
		for _, name := range unknown {
			addr, port := f.Endpoint(name)
			if strings.HasPrefix(line, fmt.Sprintf("[%s]:%d ", addr, port)) {
				continue lines
			}
		}
		out = append(out, line...)
	}
	return out
}

func fleetInventory(f *fleet.Fleet, hosts []fleet.Host) []byte {
	var b strings.Builder
	b.WriteString("defaults: {user: tester, identity: id_ed25519, connect_timeout: 5s}\nhosts:\n")
	groups := map[string][]string{}
	var order []string
	for _, h := range hosts {
		addr, port := f.Endpoint(h.Name)
		fmt.Fprintf(&b, "  %s: {address: %s, port: %d}\n", h.Name, addr, port)
		kind := strings.TrimRight(h.Name, "0123456789")
		if groups[kind] == nil {
			order = append(order, kind)
		}
		groups[kind] = append(groups[kind], h.Name)
	}
	b.WriteString("groups:\n")
	for _, kind := range order {
		fmt.Fprintf(&b, "  %s: {hosts: [%s], labels: {kind: %s}}\n", kind, strings.Join(groups[kind], ", "), kind)
	}
	return []byte(b.String())
}

// checkRan asserts how many commands a host of the fleet has run: ran web01 2
func checkRan(ts *testscript.TestScript, neg bool, args []string) {
	f := ts.Value(siteKey{}).(*site).fleet
	if neg || len(args) != 2 || f == nil {
		ts.Fatalf("usage: ran HOST N, after fleet")
	}
	n := 0
	for _, r := range f.Log() {
		if r.Host == args[0] && !r.Started.IsZero() {
			n++
		}
	}
	if want, _ := strconv.Atoi(args[1]); n != want {
		ts.Fatalf("%s ran %d commands, want %d", args[0], n, want)
	}
}

// checkCode runs a command and asserts its exit code: code 3 tutti run web false
// Its output is that of exec.
func checkCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); asExit(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func asExit(err error, target **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError) //nolint:errorlint // testscript returns it bare
	*target = e
	return ok
}

// checkLines asserts how many lines of stdout, stderr or a file match: linesof
// stdout 3 '^web'
func checkLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: linesof FILE N TEXT")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	n := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if strings.Contains(line, args[2]) {
			n++
		}
	}
	if n != want {
		ts.Fatalf("%d lines of %s contain %q, want %d", n, args[0], args[2], want)
	}
}

// sendSignal sends a signal to the commands in the background: signal INT
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "KILL": syscall.SIGKILL}
	if neg || len(args) != 1 || signals[args[0]] == nil {
		ts.Fatalf("usage: signal INT|TERM|HUP|USR1|KILL")
	}
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(signals[args[0]]))
	}
}

// changeHistory changes the history as another version, or time, would have left
// it: sql STATEMENT
func changeHistory(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sql STATEMENT")
	}
	db, err := sql.Open("sqlite3", ts.Getenv("TUTTI_HISTORY")) // the driver of store
	ts.Check(err)
	_, err = db.Exec(args[0])
	ts.Check(errors.Join(err, db.Close()))
}

// checkDocumented asserts that the lines of JSON that a command printed have no
// field that docs/json.md does not describe: documented stdout
func checkDocumented(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: documented FILE")
	}
	manual := jsondoc.Read(ts.Value(testKey{}).(*testing.T), "..")
	lines := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var object map[string]any
		ts.Check(json.Unmarshal([]byte(line), &object))
		known := manual[fmt.Sprint(object["type"])]
		if known == nil {
			ts.Fatalf("docs/json.md has no section for %s", line)
		}
		known = slices.Concat(known, manual["Every event"], manual["job show"])
		for name, value := range object {
			if !slices.Contains(known, name) {
				ts.Fatalf("docs/json.md does not describe %q in %s", name, line)
			}
			inside, ok := value.(map[string]any)
			for sub := range inside {
				described := slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, name+".") })
				if ok && described && !slices.Contains(known, name+"."+sub) {
					ts.Fatalf("docs/json.md does not describe %q in %s", name+"."+sub, line)
				}
			}
		}
		lines++
	}
	if lines == 0 {
		ts.Fatalf("%s is empty", args[0])
	}
}

// testKey is under which a script finds its test.
type testKey struct{}

// waitForFile waits until a file holds a text: waitfor FILE TEXT
func waitForFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfor FILE TEXT")
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(data), args[1]) {
			return
		}
	}
	ts.Fatalf("%s never held %q", args[0], args[1])
}
