package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// flagless are the packages that know no flag and no command of ours: what they say
// is read by whoever asked, at a command line, in a log or through HTTP. Their errors
// have causes and advice, and who asked has the words.
var flagless = []string{"fanout", "ssh", "inventory", "scheduler", "store", "output", "notify", "server", "access", "api", "daemon", "jobs", "runner", "internal"}

// forTests are packages that are no part of the program.
var forTests = []string{"internal/fleet", "internal/sshdtest", "internal/keytest", "internal/soak", "internal/nemesis", "internal/jsondoc"}

// ourWords is a long flag, or tutti and one of its commands.
var ourWords = regexp.MustCompile(`(^|[^-\w])--[a-z][a-z-]+|\btutti (run|script|ping|hosts|show|history|diff|rerun|job|serve|trust|doctor|demo|completion|version|user|token|audit|kill)\b`)

// othersWords are those of other programs: a program that prints an inventory is asked
// with them.
var othersWords = regexp.MustCompile(`--(list|host)\b`)

func TestFlagsAreNamedAtTheCommandLineOnly(t *testing.T) {
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
			checkWords(t, path)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func checkWords(t *testing.T, path string) {
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
		if word := ourWords.FindString(othersWords.ReplaceAllString(text, "")); word != "" {
			t.Errorf("%s: %q names %q: an error has a cause or advice, whose words are in cmd", fset.Position(lit.Pos()), text, strings.TrimSpace(word))
		}
		return true
	})
}
