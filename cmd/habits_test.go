package cmd

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/interrupt"
)

func testRoot() *cobra.Command {
	none := func(string) string { return "" }
	_, in := interrupt.New(context.Background(), false)
	return newRootCmd(&console{
		Streams: Streams{
			In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Getenv: none,
			LookupEnv: func(string) (string, bool) { return "", false },
		},
		interrupts: in,
	})
}

func subcommand(tb testing.TB, root *cobra.Command, path ...string) *cobra.Command {
	tb.Helper()
	cmd, rest, err := root.Find(path)
	if err != nil || len(rest) > 0 {
		tb.Fatalf("%q: %v, %q is left", path, err, rest)
	}
	return cmd
}

// allCommands are cmd and what is below it.
func allCommands(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		all = append(all, allCommands(sub)...)
	}
	return all
}

// Every word of the table leads to its advice, and to no tutti command.
func TestCommandHabits(t *testing.T) {
	root := testRoot()
	for _, table := range []struct {
		parent *cobra.Command
		habits []habit
	}{{root, commandHabits}, {subcommand(t, root, "job"), jobHabits}, {subcommand(t, root, "user"), userHabits}, {subcommand(t, root, "token"), tokenHabits}} {
		seen := map[string]bool{}
		for _, h := range table.habits {
			for _, word := range h.words {
				if seen[word] {
					t.Errorf("%s %s: it stands in the table twice", table.parent.CommandPath(), word)
				}
				seen[word] = true
				for _, sub := range table.parent.Commands() {
					if sub.Name() == word || sub.HasAlias(word) {
						t.Errorf("%s is a command", sub.CommandPath())
					}
				}
				err := unknownCommand(table.parent, strings.ToUpper(word))
				if got := strings.Join(cli.Hints(err), "\n"); got != h.advice {
					t.Errorf("%s %s: got %q, want %q", table.parent.CommandPath(), word, got, h.advice)
				}
			}
			checkAdvice(t, root, h.advice)
		}
	}
}

// Every word of the table leads to its advice where the flag is, and to no tutti
// flag.
func TestFlagHabits(t *testing.T) {
	root := testRoot()
	for _, h := range flagHabits {
		used := false
		for _, cmd := range allCommands(root) {
			if cmd.Flags().Lookup(h.needs) == nil {
				continue
			}
			for _, word := range h.words {
				short, isShort := strings.CutPrefix(word, "-")
				if !isShort && cmd.Flags().Lookup(word) != nil || isShort && cmd.Flags().ShorthandLookup(short) != nil {
					continue // it has that flag itself
				}
				arg := "--" + word
				if isShort {
					arg = word
				}
				err := cmd.Flags().Parse([]string{arg, "x"})
				if err == nil {
					t.Fatalf("%s %s is a flag", cmd.CommandPath(), arg)
				}
				got := strings.Join(cli.Hints(flagError(cmd, err)), "\n")
				if got != h.advice {
					// A word may mean two things; the first that a command has counts.
					if adviceFor(flagHabits, cmd, word) != got {
						t.Errorf("%s %s: got %q, want %q", cmd.CommandPath(), arg, got, h.advice)
					}
					continue
				}
				used = true
			}
		}
		if !used {
			t.Errorf("%q: it is never said", h.advice)
		}
		checkAdvice(t, root, h.advice)
	}
}

var (
	namedCommand = regexp.MustCompile(`tutti ([a-z]+)(?: ([a-z]+))?`)
	namedFlag    = regexp.MustCompile(`(?:^|[ /])--([a-z-]+)`)
)

// checkAdvice makes sure that advice names commands and flags that exist.
func checkAdvice(t *testing.T, root *cobra.Command, advice string) {
	t.Helper()
	for _, m := range namedCommand.FindAllStringSubmatch(advice, -1) {
		if m[1] == "forwards" {
			continue
		}
		cmd, _, err := root.Find([]string{m[1]})
		if err != nil || cmd == root {
			t.Errorf("%q: there is no command %s", advice, m[1])
		}
		if m[1] == "job" && m[2] != "" {
			subcommand(t, root, m[1], m[2])
		}
	}
	known := map[string]bool{}
	for _, cmd := range allCommands(root) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	}
	for _, m := range namedFlag.FindAllStringSubmatch(advice, -1) {
		if !known[m[1]] {
			t.Errorf("%q: there is no flag --%s", advice, m[1])
		}
	}
}

// What others mean by a flag that means another thing here.
func TestValueHabits(t *testing.T) {
	run := subcommand(t, testRoot(), "run")
	for arg, want := range map[string]string{
		"-oStrictHostKeyChecking=no":    "for StrictHostKeyChecking use --host-keys strict|accept-new|off",
		"-oConnectTimeout=5":            "put ssh's options into ssh_config",
		"--output=ProxyCommand none":    "put ssh's options into ssh_config",
		"--limit=web1":                  "--only web1 keeps those",
		"--limit=web*":                  "--only 'web*' keeps those",
		"--output=strem":                "",
		"--fanout=many":                 "",
		"--become":                      "--sudo runs the command as root",
		"--forks=5":                     "-f/--fanout N works on N hosts at once",
		"-K":                            "--ask-sudo-pass asks for sudo's password",
		"-u":                            "-l/--user USER logs in as USER",
		"--fanuot=5":                    "did you mean --fanout?",
		"--strict-host-key-checking=no": "tutti trust SELECTOR collects them",
	} {
		err := run.Flags().Parse([]string{arg})
		if err == nil {
			t.Fatalf("%s is taken", arg)
		}
		got := strings.Join(cli.Hints(flagError(run, err)), "\n")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q (%v)", arg, got, want, err)
		}
	}
}

func TestAlike(t *testing.T) {
	for words, want := range map[string]bool{"rnu run": true, "web job": false, "hsots hosts": true, "remvoe remove": true, "db job": false} {
		a, b, _ := strings.Cut(words, " ")
		if got := alike(a, b); got != want {
			t.Errorf("%s: got %t", words, got)
		}
	}
}
