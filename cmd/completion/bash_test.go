package completion

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestSplitLine(t *testing.T) {
	tests := []struct {
		line  string
		words string // joined by |, the last behind them
		quote byte
	}{
		{"tutti run we", "tutti|run|we", 0},
		{"tutti run ", "tutti|run|", 0},
		{"tutti run 'web,!d", "tutti|run|web,!d", '\''},
		{`tutti run "web,\"!d`, `tutti|run|web,"!d`, '"'},
		{`tutti run 'a b'\ c"d`, "tutti|run|a b cd", '"'},
		{`tutti run web\,\!d`, "tutti|run|web,!d", 0},
		{`tutti run '' w`, "tutti|run||w", 0},
		{`tutti run $(touch x) w`, "w", 0}, // as after any end of a command
		{`tutti run web 2>err out`, "tutti|run|web|out", 0},
		{`tutti run web > a\ b w`, "tutti|run|web|w", 0},
		{`tutti run '\`, `tutti|run|\`, '\''},
		{`tutti run \`, `tutti|run|\`, 0},
		{"", "", 0},
	}
	for _, tt := range tests {
		l := splitLine(tt.line)
		got := strings.Join(append(slices.Clone(l.words), l.last), "|")
		if got != tt.words || l.quote != tt.quote {
			t.Errorf("%q: got %q, quote %q, want %q, quote %q", tt.line, got, l.quote, tt.words, tt.quote)
		}
	}
	if l := splitLine("tutti run web >ou"); !l.redirect || l.last != "ou" {
		t.Errorf("a redirection: got %+v", l)
	}
}

func TestBashAnswer(t *testing.T) {
	words := func(texts ...string) (all []candidate) {
		for _, text := range texts {
			word, description, _ := strings.Cut(text, "\t")
			all = append(all, candidate{word, description})
		}
		return all
	}
	const space, noSpace = noFiles, noFiles | cobra.ShellCompDirectiveNoSpace
	tests := []struct {
		name, line, typed, how string
		candidates             []candidate
		directive              cobra.ShellCompDirective
		want                   string
	}{
		{"behind a comma", "tutti run web,ap", "web,ap", "9", words("web,app1\thost", "web,db1\thost"), noSpace, "=web,app1"},
		{"a word is over", "tutti run -o fo", "fo", "9", words("fold", "json"), space, "=fold "},
		{"bash replaces what is behind a colon", "tutti run run:la", "la", "9", words("run:last\tx", "run:last:ok\ty"), noSpace, "=last\n=last:ok"},
		{"the value of a flag", "tutti rerun --outcome=failed,ti", "failed,ti", "9", words("failed,timeout", "failed,lost"), noSpace, "=failed,timeout"},
		{"with = in the value", "tutti run --only=dc=f", "f", "9", words("dc=fra\tlabel"), noSpace, "=fra"},
		{"in a list there are descriptions", "tutti run a", "a", "63", words("a1\thost", "a2\tgroup"), noSpace, "=a1  (host)\n=a2  (group)"},
		{"but not of the only one", "tutti run a", "a", "63", words("a1\thost"), noSpace, "=a1"},
		{"nor where one is put into the line", "tutti run a", "a", "37", words("a1\thost", "a2\tgroup"), noSpace, "=a1\n=a2"},
		{"what is special is quoted", "tutti run k=", "", "9", words("k=a b;c"), noSpace, `=a\ b\;c`},
		{"as the quote wants it", "tutti run 'k=", "k=", "9", words("k=it's $1"), noSpace, `=k=it'\''s $1`},
		{"and the other one", `tutti run "k=`, "k=", "9", words("k=it's $1"), noSpace, `=k=it's \$1`},
		{"no blank behind an open quote", "tutti run -o 'fo", "fo", "9", words("fold"), space, "=fold"},
		{"nothing", "tutti run x", "x", "9", words("web"), noSpace, ""},
		{"files", "tutti run -i x", "x", "9", nil, cobra.ShellCompDirectiveDefault, ":files"},
		{"directories", "tutti run --outdir x", "x", "9", nil, cobra.ShellCompDirectiveFilterDirs, ":dirs"},
		{"what a host is called is no control sequence", "tutti run x", "x", "9", words("x\x1b[2J"), noSpace, `=x^[\[2J`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := bashAnswer(splitLine(tt.line), tt.typed, tt.how, tt.candidates, tt.directive)
			want := strings.TrimPrefix(":\n"+tt.want+"\n", ":\n:")
			switch {
			case tt.want == "":
				want = ":\n"
			case strings.HasPrefix(tt.want, ":"):
				want = tt.want + "\n"
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestLastItem(t *testing.T) {
	for list, want := range map[string][2]string{
		"we":               {"", "we"},
		"web,ap":           {"web,", "ap"},
		"web,!ap":          {"web,!", "ap"},
		"&dc=":             {"&", "dc="},
		"web[1,2":          {"", "web[1,2"},
		"web[1,2],ap":      {"web[1,2],", "ap"},
		"~^a{1,2}$,run:":   {"~^a{1,2}$,", "run:"},
		"'a,b":             {"", "'a,b"},
		"'a,b',c":          {"'a,b',", "c"},
		"":                 {"", ""},
		"web,":             {"web,", ""},
		"web,!":            {"web,!", ""},
		"a]b,c":            {"a]b,", "c"},
		"run:1:failed+los": {"", "run:1:failed+los"},
	} {
		if before, item := lastItem(list); before != want[0] || item != want[1] {
			t.Errorf("%q: got %q and %q, want %q", list, before, item, want)
		}
	}
}
