package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// flagless are the packages that name no flag and no command of tutti: their texts are
// read at a command line, in a log or through HTTP. Their errors have causes and
// advice, whose words the reader's package has.
var flagless = []string{"fanout", "ssh", "inventory", "scheduler", "store", "output", "notify", "server", "client", "access", "api", "daemon", "jobs", "runner", "transfer", "internal"}

// forTests are packages that are no part of the program.
var forTests = []string{"internal/fleet", "internal/sshdtest", "internal/pgtest", "internal/keytest", "internal/soak", "internal/nemesis", "internal/jsondoc"}

// flagWords are flags, short or long.
const flagWords = `(^|[^-\w])--[a-z][a-z-]+|(^|[\s(,;:=\x60"'])-[A-Za-z]\b`

// commandHelp is where the help of a command begins in the golden file of all help.
var commandHelp = regexp.MustCompile(`(?m)^\$ tutti (\w+) -h$`)

// ourWords is a flag, or tutti and one of its commands.
func ourWords(t *testing.T) *regexp.Regexp {
	t.Helper()
	help, err := os.ReadFile("cmd/testdata/help.golden")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"help"}
	for _, found := range commandHelp.FindAllSubmatch(help, -1) {
		names = append(names, string(found[1]))
	}
	if len(names) < 20 {
		t.Fatalf("got the commands %q, want many more", names)
	}
	return regexp.MustCompile(flagWords + `|\btutti (` + strings.Join(names, "|") + `)\b`)
}

// othersWords are those of other programs: the flags behind their names, and those with
// which a program that prints an inventory is asked.
var othersWords = regexp.MustCompile(`\b(ulimit|df|ls|lsattr|namei|sudo|sysctl|ssh|ssh-add|ssh-keygen|puttygen FILE|ansible-inventory|ssh's option)( -\w+( [a-z-]+)?)+|--(list|host)\b|^-c$`)

// shellPrograms are packages whose texts are shell programs for the hosts; only long
// flags are looked for in them.
var shellPrograms = []string{"ssh/remote", "transfer/shell"}

// recorded is how the history calls hosts that were named without an inventory: a
// promise to its readers.
const recorded = "-w "

// longFlag is a long flag.
var longFlag = regexp.MustCompile(`(^|[^-\w])--[a-z][a-z-]+`)

func TestFlagsAreNamedAtTheCommandLineOnly(t *testing.T) {
	ours := ourWords(t)
	for _, dir := range flagless {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && slices.Contains(forTests, filepath.ToSlash(path)):
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			checkWords(t, path, ours)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func checkWords(t *testing.T, path string, ours *regexp.Regexp) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, 0)
	if err != nil {
		t.Error(err)
		return
	}
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Error(err)
			return true
		}
		words := ours
		if slices.Contains(shellPrograms, filepath.ToSlash(filepath.Dir(path))) {
			words = longFlag
		}
		if text == recorded {
			return true
		}
		if word := words.FindString(othersWords.ReplaceAllString(text, "")); word != "" {
			t.Errorf("%s: %q names %q: an error has a cause or advice, whose words are in cmd", fset.Position(lit.Pos()), text, strings.TrimSpace(word))
		}
		return true
	})
}
