package cmd

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestHelpIsAsRead: all of the help, short and whole, is what was read when it
// was last changed.
func TestHelpIsAsRead(t *testing.T) {
	var got bytes.Buffer
	writeAllHelp(&got, newRootCmd(&console{}))
	path := filepath.Join("testdata", "help.golden")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -update)", err)
	}
	if bytes.Equal(got.Bytes(), want) {
		return
	}
	gotLines, wantLines := bytes.Split(got.Bytes(), []byte("\n")), bytes.Split(want, []byte("\n"))
	for i, line := range gotLines {
		if i >= len(wantLines) || !bytes.Equal(line, wantLines[i]) {
			t.Fatalf("help differs from %s at line %d (read it, then run the test with -update): got %q", path, i+1, line)
		}
	}
	t.Fatalf("help ends before %s does (read it, then run the test with -update)", path)
}

// writeAllHelp writes the help of cmd and of the commands below it.
func writeAllHelp(w *bytes.Buffer, cmd *cobra.Command) {
	for _, how := range []string{"-h", "--help"} {
		fmt.Fprintf(w, "$ %s %s\n", cmd.CommandPath(), how)
		cmd.SetOut(w)
		cmd.HelpFunc()(cmd, []string{how})
		fmt.Fprintln(w)
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			writeAllHelp(w, sub)
		}
	}
}
