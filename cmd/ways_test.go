package cmd_test

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// A way is how the same command line is run: without a server, and with each of $WAYS, which
// are separated by semicolons.
type way struct{ name, words string }

// addressInLog is where a daemon listens, in its log.
var addressInLog = regexp.MustCompile(`api=(127\.[0-9.:]+)`)

// setWays makes the ways of alike those to the daemon with that log: its socket, and its
// address with the token in a file. ways LOG TOKEN
func setWays(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ways LOG TOKEN")
	}
	found := addressInLog.FindStringSubmatch(ts.ReadFile(args[0]))
	if found == nil {
		ts.Fatalf("%s has no address", args[0])
	}
	ts.Setenv("WAYS", "--server unix://"+ts.Getenv("XDG_RUNTIME_DIR")+"/tutti/api.sock;--server http://"+found[1]+" --token-file "+ts.MkAbs(args[1]))
}

func waysOf(ts *testscript.TestScript) []way {
	ways := []way{{"here", ""}}
	for i, words := range strings.Split(ts.Getenv("WAYS"), ";") {
		ways = append(ways, way{"server" + strconv.Itoa(i+1), words})
	}
	return ways
}

// runAlike runs tutti here and with each server of $WAYS, and asserts that all print the
// same, write the same files, and end with the code:
//
//	alike 3 run web false
//	alike 0 run --outdir DIR/out web true   DIR is another directory each way
//	alike 0 -sorted run web uptime          hosts may come in any order
//	alike 0 -stdin FILE run --stdin - web cat
//
// What differs from run to run, such as times, is replaced; see volatile. stdout and
// stderr are those of the last.
func runAlike(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: alike CODE [-sorted] [-stdin FILE] ARGS...")
	}
	want, words := args[0], args[1:]
	sorted := words[0] == "-sorted"
	if sorted {
		words = words[1:]
	}
	stdin := ""
	if words[0] == "-stdin" {
		stdin, words = words[1], words[2:]
	}
	var first map[string]string
	for _, w := range waysOf(ts) {
		dir := ts.MkAbs(filepath.Join("ways", w.name))
		ts.Check(os.RemoveAll(dir))
		ts.Check(os.MkdirAll(dir, 0o700))
		depth := 1
		if words[0] == "job" {
			depth = 2
		}
		line := append(append([]string{want, "tutti"}, words[:depth]...), strings.Fields(w.words)...)
		for _, word := range words[depth:] {
			line = append(line, strings.ReplaceAll(word, "DIR", dir))
		}
		if stdin != "" {
			line = append([]string{want, "sh", "-c", `in=$1; shift; exec "$@" <"$in"`, "sh", stdin}, line[1:]...)
		}
		checkCode(ts, false, line)
		got := filesOf(ts, dir)
		got["stdout"], got["stderr"] = ts.ReadFile("stdout"), ts.ReadFile("stderr")
		for name, text := range got {
			text = strings.ReplaceAll(text, dir, "DIR")
			if w.words != "" {
				text = strings.ReplaceAll(text, " "+w.words, "") // of the commands in hints
			}
			text = volatile(text)
			if sorted {
				text = sortedLines(text)
			}
			got[name] = text
		}
		if first == nil {
			first = got
			continue
		}
		assertAlike(ts, first, got, w.name)
	}
}

// assertAlike asserts that a way has led to the same texts as the first one.
func assertAlike(ts *testscript.TestScript, first, got map[string]string, name string) {
	for _, files := range []map[string]string{first, got} {
		for file := range files {
			if first[file] == got[file] {
				continue
			}
			ts.Check(os.WriteFile(ts.MkAbs("here"), []byte(first[file]), 0o600))
			ts.Check(os.WriteFile(ts.MkAbs(name), []byte(got[file]), 0o600))
			_ = ts.Exec("diff", "-u", "here", name)
			ts.Fatalf("%s of %s is another:\n%.4000s", file, name, ts.ReadFile("stdout"))
		}
	}
}

// filesOf are the files in a directory, by their names.
func filesOf(ts *testscript.TestScript, dir string) map[string]string {
	files := map[string]string{}
	ts.Check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir+"/")] = string(data)
		return err
	}))
	return files
}

// volatileParts are what differs between two runs of the same command line, and what
// stands for it: numbers of runs, times, and who started it.
var volatileParts = []struct {
	part *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`\b(run|rerun|follow) [0-9]+\b`), "$1 N"},
	{regexp.MustCompile(`("run"|<property name="run" value)([:=]"?)[0-9]+`), "$1${2}N"},
	{regexp.MustCompile(`\bin [0-9][0-9a-z.]*s\b`), "in Ts"},
	{regexp.MustCompile(`"(time|[a-z_]+_at)":"[^"]*"`), `"$1":"T"`},
	{regexp.MustCompile(`"([a-z_]+_ms)":[0-9]+`), `"$1":0`},
	{regexp.MustCompile(`"source":"(cli|api|rerun)"`), `"source":"S"`},
	{regexp.MustCompile(`<property name="source" value="[a-z]+"`), `<property name="source" value="S"`},
	{regexp.MustCompile(` (time|timestamp)="[^"]*"`), ` $1="T"`},
	{regexp.MustCompile(` +in +[0-9.]+ ms \(.*\)`), " in T ms"},
	{regexp.MustCompile(`(?m)^[0-9-]{10}T[0-9:.]{12}Z `), "T "},
	{regexp.MustCompile(`:[0-9]{4,5}\b`), ":PORT"},
}

func volatile(text string) string {
	for _, v := range volatileParts {
		text = v.part.ReplaceAllString(text, v.by)
	}
	return text
}

func sortedLines(text string) string {
	lines := slices.Collect(strings.Lines(text))
	slices.SortFunc(lines, cmp.Compare[string])
	return strings.Join(lines, "")
}
