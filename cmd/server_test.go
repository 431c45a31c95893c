package cmd_test

import (
	"os"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// runBothWays runs tutti on the history and, with the server of $SERVER, over HTTP, and
// asserts that both print the same and end with the code: both 2 show 99
// stdout and stderr are those of the second.
func runBothWays(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: both CODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var texts [2][2]string
	for i, extra := range [][]string{nil, {"--server", ts.Getenv("SERVER")}} {
		words := append(append([]string{}, args[1:]...), extra...)
		checkCode(ts, false, append([]string{strconv.Itoa(want), "tutti"}, words...))
		texts[i] = [2]string{ts.ReadFile("stdout"), ts.ReadFile("stderr")}
	}
	for i, name := range []string{"stdout", "stderr"} {
		if texts[0][i] != texts[1][i] {
			ts.Check(os.WriteFile(ts.MkAbs("local"), []byte(texts[0][i]), 0o600))
			ts.Check(os.WriteFile(ts.MkAbs("server"), []byte(texts[1][i]), 0o600))
			_ = ts.Exec("diff", "-u", "local", "server")
			ts.Fatalf("%s of a server is another:\n%s", name, ts.ReadFile("stdout"))
		}
	}
}
