package cmd

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/runner"
)

// screenFlags are the flags of commands that go out to hosts that are no part of
// a request: they are about this screen and these files, or about whether to
// begin at all.
var screenFlags = map[string]bool{
	"output": true, "fold": true, "json": true, "sort": true, "diff": true, "timestamps": true, "outdir": true, "junit": true,
	"no-prefix": true, "raw": true, "quiet": true, "verbose": true, "color": true, "progress": true,
	"dry-run": true, "yes": true, "exit": true, "detach": true,
	"server": true, "token-file": true, "server-ca": true, "insecure-http": true,
}

// isBound reports whether a value is that of a key.
func isBound(v pflag.Value) bool {
	switch v := v.(type) {
	case runner.Flag, runner.ListFlag:
		return true
	case interface{ Unwrap() pflag.Value }:
		return isBound(v.Unwrap())
	}
	return false
}

// Each flag of a run is a key of a request, read by it, or of the screen only;
// each key is a flag of the commands that it is for.
func TestFlagsAreTheKeysOfRequests(t *testing.T) {
	c := &console{Streams: testStreams()}
	for _, test := range []struct {
		cmd *cobra.Command
		use runner.Use
	}{{newRunCmd(c), runner.ForRun}, {newScriptCmd(c), runner.ForScript}, {newPingCmd(c), runner.ForPing}} {
		flags := test.cmd.Flags()
		flags.VisitAll(func(f *pflag.Flag) {
			key, known := runner.KeyNamed(f.Name)
			bound := isBound(f.Value)
			switch {
			case known && !bound:
				t.Errorf("%s --%s is not read by its key", test.cmd.Name(), f.Name)
			case known && !key.IsFor(test.use):
				t.Errorf("%s --%s: its key is not for this", test.cmd.Name(), f.Name)
			case !known && !screenFlags[f.Name]:
				t.Errorf("%s --%s is neither a key nor of the screen", test.cmd.Name(), f.Name)
			}
		})
		for _, key := range runner.Keys() {
			if key.IsFor(test.use) && flags.Lookup(key.Name) == nil {
				t.Errorf("%s has no flag for the key %s", test.cmd.Name(), key.Name)
			}
		}
	}
	model := newRerunCmd(c).Flags()
	for _, key := range runner.Keys() {
		if key.IsFor(runner.ForRerun) && key.Name != "hosts" && model.Lookup(key.Name) == nil {
			t.Errorf("rerun cannot be given %s instead", key.Name)
		}
	}
}
