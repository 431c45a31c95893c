package cmd

import (
	"bytes"
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tutti/cmd/internal/interrupt"
	"tutti/runner"
)

// TestEveryCommandHasARuleForServers: a new command has to say what it does where a
// server is set, and has the flag if it asks one.
func TestEveryCommandHasARuleForServers(t *testing.T) {
	root := newRootCmd(&console{Streams: testStreams()})
	root.InitDefaultHelpCmd()
	known := map[string]bool{}
	for _, cmd := range allCommands(root) {
		path := cmd.CommandPath()
		known[path] = true
		rule, chosen := serverRules[path]
		if !chosen {
			t.Errorf("%s has no rule in serverRules", path)
		}
		flag := cmd.Flags().Lookup("server")
		takesURL := strings.Contains(cmd.Use, "[URL]")
		if asks := flag != nil && !flag.Hidden || takesURL; asks != (rule == asksServer) {
			t.Errorf("%s: asks a server: got %t, want as in serverRules", path, asks)
		}
	}
	for path := range serverRules {
		if !known[path] {
			t.Errorf("serverRules has %s, which is no command", path)
		}
	}
}

// TestCommandsRefuseServersThatTheyCannotAsk: each of them, given its first example, says
// so instead of acting on this machine.
func TestCommandsRefuseServersThatTheyCannotAsk(t *testing.T) {
	tried := 0
	for _, cmd := range allCommands(newRootCmd(&console{Streams: testStreams()})) {
		path := cmd.CommandPath()
		if serverRules[path] != refusesServer {
			continue
		}
		tried++
		example, _, _ := strings.Cut(strings.TrimSpace(cmd.Example), "\n")
		words := shellExample(example)[1:]
		if i := slices.IndexFunc(words, func(word string) bool { return strings.HasPrefix(word, "<") || strings.HasPrefix(word, ">") }); i >= 0 {
			words = words[:i]
		}
		depth := len(strings.Fields(path)) - 1
		withFlag := slices.Insert(slices.Clone(words), depth, "--server", "https://ops.example")
		refusesHere(t, path, words, "https://ops.example", path+" does not go through a server yet, and $TUTTI_SERVER is set\nhint: unset TUTTI_SERVER, or add --server ''")
		refusesHere(t, path, withFlag, "", path+" does not go through a server yet: --server cannot be used\nhint: leave out --server,")
	}
	if tried < 4 {
		t.Errorf("got %d commands that refuse a server, want all of them", tried)
	}
}

// refusesHere asserts that a command line is refused with the text, and makes no history.
func refusesHere(t *testing.T, path string, words []string, server, want string) {
	t.Helper()
	history := filepath.Join(t.TempDir(), "history.db")
	var out, errs bytes.Buffer
	std := testStreams()
	std.Out, std.Err = &out, &errs
	std.Getenv = func(name string) string {
		return map[string]string{"TUTTI_SERVER": server, "TUTTI_HISTORY": history, "HOME": filepath.Dir(history)}[name]
	}
	ctx, in := interrupt.New(context.Background(), false)
	code := execute(ctx, words, &console{std, in})
	if code != 2 || !strings.HasPrefix(errs.String(), "tutti: "+want) || out.Len() > 0 {
		t.Errorf("%s: %q: got code %d, %q and %q, want 2 and %q", path, words, code, out.String(), errs.String(), want)
	}
	if made, _ := filepath.Glob(history + "*"); made != nil {
		t.Errorf("%s: %q made %q", path, words, made)
	}
}

// TestFlagsThatActHereAreRefusedByName: what would act on one of the two machines has a
// reason, which says so; what is read or written here has none.
func TestFlagsThatActHereAreRefusedByName(t *testing.T) {
	values := map[string]string{"only": "@file", "exclude": "@file", "port": "22", "host-keys": "off", "ask-pass": "true", "ask-sudo-pass": "true", "no-history": "true", "persist": "10m", "persist-max": "5"}
	read := []string{"env", "stdin", "run-id-file"}
	for _, key := range runner.Keys() {
		value := cmp.Or(values[key.Name], "x")
		if !key.Local(value) || slices.Contains(read, key.Name) {
			continue
		}
		var errs bytes.Buffer
		std := testStreams()
		std.Err = &errs
		ctx, in := interrupt.New(context.Background(), false)
		code := execute(ctx, []string{"run", "--server", "https://ops.example", "--" + key.Name + "=" + value, "web", "true"}, &console{std, in})
		if key.Name == "hosts" {
			code = execute(ctx, []string{"run", "--server", "https://ops.example", "-w", value, "true"}, &console{std, in})
		}
		want := "tutti: --" + key.Name + " cannot be combined with --server: "
		if code != 2 || !strings.Contains(errs.String(), want) || !strings.Contains(errs.String(), "hint: --server '' acts on this machine") {
			t.Errorf("%s: got code %d, %q", key.Name, code, errs.String())
		}
	}
}
