package cmd

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/request"
	"tutti/fanout"
	"tutti/inventory"
	"tutti/jobs"
	"tutti/runner"
	"tutti/scheduler"
)

// TestSelectorExamples: what README, docs, help and the example files select
// exists in the inventories that they show, so that they teach no mistake.
func TestSelectorExamples(t *testing.T) {
	examples := documentedSelectors(t)
	if len(examples) < 40 {
		t.Fatalf("got %d examples, want many more: the documents are not understood", len(examples))
	}
	inventories := map[string]*inventory.Inventory{
		"README.md":          loadExample(t, writeExample(t, "hosts.yaml", readmeInventory(t))),
		"hosts.example.yaml": loadExample(t, filepath.Join("..", "hosts.example.yaml")),
	}
	t.Chdir(filepath.Dir(writeExample(t, "file", "web\n")))
	for _, e := range examples {
		for name, inv := range inventories {
			if name == "README.md" && strings.Contains(e.text, "db3") {
				continue // it stands in the longer example only
			}
			checkExample(t, e, name, inv)
		}
	}
}

// An example is a selector, or the hosts of -w, in a document.
type example struct {
	where, text   string
	only, exclude []string
	adHoc         bool
}

func checkExample(t *testing.T, e example, name string, inv *inventory.Inventory) {
	t.Helper()
	if e.adHoc {
		if _, err := inventory.ParseHosts(e.text); err != nil {
			t.Errorf("%s: -w %s: %v", e.where, e.text, err)
		}
		return
	}
	r := runner.Request{Hosts: runner.Hosts{Only: e.only, Exclude: e.exclude}}
	sel, err := r.Selector(e.text, false)
	if err != nil {
		t.Errorf("%s: %v", e.where, err)
		return
	}
	chosen, err := inv.Select(t.Context(), sel, inventory.SelectOptions{Runs: exampleRuns{}})
	if err != nil || len(chosen.Warnings) > 0 {
		t.Errorf("%s: %s on the hosts of %s: %v, %q, want neither error nor warning", e.where, sel, name, err, chosen.Warnings)
	}
}

type exampleRuns struct{}

func (exampleRuns) Hosts(context.Context, string, []fanout.Outcome) ([]string, error) {
	return []string{"db1"}, nil
}

func writeExample(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func loadExample(t *testing.T, path string) *inventory.Inventory {
	t.Helper()
	inv, err := inventory.Load(t.Context(), []inventory.File{{Path: path, Trust: inventory.Named}})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// readmeInventory is the inventory that README shows.
func readmeInventory(t *testing.T) string {
	t.Helper()
	_, rest, ok := strings.Cut(readText(t, "../README.md"), "```yaml\n")
	text, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("README shows no inventory")
	}
	return text
}

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// commandExample is a command line in a document, up to its comment.
var commandExample = regexp.MustCompile("(?m)(?:^|[ \t`])(tutti (?:run|script|ping|hosts|trust|doctor|job add|job edit)(?: [^`\n]*)?)")

// selectorCell is the first cell of a row of a table of selectors.
var selectorCell = regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|")

func documentedSelectors(t *testing.T) []example {
	t.Helper()
	var examples []example
	documents, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(documents, "../README.md") {
		text := strings.ReplaceAll(readText(t, path), "\\\n", " ")
		examples = append(examples, commandExamples(t, path, text)...)
	}
	_, table, _ := strings.Cut(readText(t, "../README.md"), "| selector | means |")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, cell := range selectorCell.FindAllStringSubmatch(table, -1) {
		for word := range strings.SplitSeq(strings.Trim(cell[1], "`"), "`, `") {
			examples = append(examples, example{where: "README's table", text: word})
		}
	}
	for line := range strings.Lines(request.SelectorHelp) {
		words, _, _ := strings.Cut(strings.TrimLeft(line, " "), "  ")
		for _, word := range strings.Split(strings.TrimSpace(words), ", ") {
			if strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "   ") && !strings.ContainsAny(word, "@&!") || strings.Contains(word, "!=") {
				examples = append(examples, example{where: "the help of SELECTOR", text: strings.Fields(word)[0]})
			}
		}
	}
	examples = append(examples, helpExamples(t, newRootCmd(&console{}))...)
	return append(examples, jobExamples(t)...)
}

// helpExamples are those in the help of cmd and of what is below it.
func helpExamples(t *testing.T, cmd *cobra.Command) []example {
	t.Helper()
	var lines []string
	for line := range strings.Lines(cmd.Example) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "   ") // what it does stands behind
		lines = append(lines, line)
	}
	examples := commandExamples(t, cmd.CommandPath()+" --help", strings.Join(lines, "\n")+"\n"+cmd.Long)
	for _, sub := range cmd.Commands() {
		examples = append(examples, helpExamples(t, sub)...)
	}
	return examples
}

// jobExamples are the selectors in jobs.example.yaml.
func jobExamples(t *testing.T) []example {
	t.Helper()
	path := "../jobs.example.yaml"
	rules := jobs.Rules(time.Time{})
	rules.Dir = t.TempDir()
	read, err := scheduler.ReadJobs(t.Context(), path, []byte(readText(t, path)), rules)
	if err != nil {
		t.Fatal(err)
	}
	var examples []example
	for _, job := range read {
		examples = append(examples, example{where: path, text: job.Selector})
	}
	return examples
}

// commandExamples reads the command lines in text as the program would.
func commandExamples(t *testing.T, where, text string) []example {
	t.Helper()
	var examples []example
	for _, m := range commandExample.FindAllStringSubmatch(text, -1) {
		line := shellExample(m[1])
		if slices.ContainsFunc(line, func(word string) bool { return strings.Contains(word, "SELECTOR") }) {
			continue
		}
		cmd, args, err := newRootCmd(&console{Streams: Streams{Getenv: func(string) string { return "" }}}).Find(line[1:])
		if err != nil {
			t.Errorf("%s: %s: %v", where, m[1], err)
			continue
		}
		if err := cmd.ParseFlags(args); err != nil {
			t.Errorf("%s: %s: %v", where, m[1], err)
			continue
		}
		e := example{where: where}
		args = cmd.Flags().Args()
		switch name := cmd.CommandPath(); {
		case strings.HasPrefix(name, "tutti job "):
			_, e.text, _, err = jobWords(cmd, args)
		case name == "tutti hosts" && len(args) > 0:
			e.text = args[0]
		default:
			e.text, _, err = words(cmd, args)
		}
		if err != nil {
			t.Errorf("%s: %s: %v", where, m[1], err)
		}
		e.only, e.exclude = listFlag(cmd, "only"), listFlag(cmd, "exclude")
		if hosts, _ := cmd.Flags().GetString("hosts"); hosts != "" && !strings.HasPrefix(hosts, "@") {
			e.text, e.adHoc = hosts, true
		}
		if e.text != "" && e.text != "HOST" {
			examples = append(examples, e)
		}
	}
	return examples
}

// listFlag is what a flag that may be given several times was given.
func listFlag(cmd *cobra.Command, name string) []string {
	if f := cmd.Flags().Lookup(name); f != nil {
		return f.Value.(pflag.SliceValue).GetSlice()
	}
	return nil
}

// shellExample splits a line as a shell does, up to a comment or a pipe.
func shellExample(line string) []string {
	var words []string
	word, quote, begun := "", rune(0), false
	end := func() {
		if begun {
			words = append(words, word)
		}
		word, begun = "", false
	}
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word += string(c)
		case c == '\'' || c == '"':
			quote, begun = c, true
		case c == ' ' || c == '\t':
			end()
		case !begun && (c == '#' || c == '|'):
			return words
		default:
			word, begun = word+string(c), true
		}
	}
	end()
	return words
}
