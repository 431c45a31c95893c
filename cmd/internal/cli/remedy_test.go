package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tutti/fanout"
	"tutti/runner"
	"tutti/ssh"
)

// TestEveryCauseHasARemedy: package ssh has the causes, and here are the words.
func TestEveryCauseHasARemedy(t *testing.T) {
	said, causes := map[string]string{}, constants(t, "../../../ssh", "Cause")
	for _, cause := range causes {
		text := remedyOf(runner.Choice{Request: &runner.Request{}}, "h", fanout.Cause(cause))
		if other, twice := said[text]; text == "" || twice {
			t.Errorf("%s: got %q, want words of its own, not those of %q", cause, text, other)
		}
		said[text] = cause
	}
	if len(causes) < len(remedyWords) || len(causes) == 0 {
		t.Errorf("got %d causes, and words for %d", len(causes), len(remedyWords))
	}
}

// constants are the strings in a package that stand in constants with that prefix.
func constants(t *testing.T, dir, prefix string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, prefix) {
				return true
			}
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				value, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, value)
			}
			return true
		})
	}
	return values
}

// TestRemedies: remedies are said in the words of the command line.
func TestRemedies(t *testing.T) {
	choice := func(named, selector string, known bool) runner.Choice {
		return runner.Choice{
			Request:  &runner.Request{Hosts: runner.Hosts{Named: named}},
			Decision: &runner.Decision{Plan: fanout.Plan{Selector: selector}},
			Known:    func(name string) bool { return known && name == "app1" },
		}
	}
	adHoc, named := choice("app1", "", true), choice("", "web,!web1", false)
	unknown, changed := remedyWords[ssh.CauseKeyUnknown], remedyWords[ssh.CauseKeyChanged]
	tests := []struct {
		name  string
		by    runner.Choice
		host  string
		cause fanout.Cause
		want  string
	}{
		{"trust after -w", adHoc, "app1", ssh.CauseKeyUnknown, strings.Replace(unknown, "SELECTOR", "-w app1", 1)},
		{"trust --update", named, "web2", ssh.CauseKeyChanged, strings.Replace(changed, "SELECTOR", "'web,!web1'", 1)},
		{"the keys first", named, "web2", ssh.CauseAnyHost, "add the hosts' keys first: tutti trust 'web,!web1'"},
		{"a name that the inventory knows", adHoc, "app1", ssh.CauseName, knownNameWords},
		{"a name that it does not know", adHoc, "app2", ssh.CauseName, adHocWords[ssh.CauseName]},
		{"a name without an inventory", choice("app1", "", false), "app1", ssh.CauseName, adHocWords[ssh.CauseName]},
		{"a name of the inventory", named, "web2", ssh.CauseName, remedyWords[ssh.CauseName]},
		{"the resolver", adHoc, "app1", ssh.CauseResolver, adHocWords[ssh.CauseResolver]},
		{"the resolver, of the inventory", named, "web2", ssh.CauseResolver, remedyWords[ssh.CauseResolver]},
		{"the port", adHoc, "app1", ssh.CausePort, adHocWords[ssh.CausePort]},
		{"the port, of the inventory", named, "web2", ssh.CausePort, remedyWords[ssh.CausePort]},
		{"nothing is known", adHoc, "app1", "", ""},
	}
	say := Remedies(func(string) string { return "" })
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := say(tt.by, tt.host, tt.cause); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestRemediesNameTheWayOut: what the words of a cause have to name.
func TestRemediesNameTheWayOut(t *testing.T) {
	for cause, parts := range map[fanout.Cause][]string{
		ssh.CauseOpenFiles: {"ulimit -n"}, ssh.CauseNeighbours: {"gc_thresh3"}, ssh.CausePort: {"port"}, ssh.CauseNoAnswer: {"firewall"},
		ssh.CauseName: {"address:"}, ssh.CauseResolver: {"name servers", "resolv.conf"}, ssh.CauseAlgorithms: {"KexAlgorithms"},
		ssh.CauseKeyUnknown: {"tutti trust", "accept-new"}, ssh.CauseSudoPassword: {"--ask-sudo-pass"},
		ssh.CauseKeysOrPassword: {"--ask-pass"}, ssh.CausePasswordWanted: {"--ask-pass"}, ssh.CauseNoKeyOrPassword: {"--ask-pass", "--identity"},
	} {
		for _, want := range parts {
			if got := remedyOf(runner.Choice{Request: &runner.Request{}}, "h", cause); !strings.Contains(got, want) {
				t.Errorf("%s: got %q, want %q in it", cause, got, want)
			}
		}
	}
}
