package completion

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tutti/cmd/internal/cli"
	"tutti/internal/fault"
	"tutti/internal/sanitize"
)

// bashCompletion is the script for bash. It needs no other package, and leaves the
// splitting into words to tutti: bash splits at : and = as well, and the library's
// own script would have the shell evaluate the line. Lines of the answer begin with
// = for a candidate, or with : for an action.
const bashCompletion = `# bash completion V2 for tutti                             -*- shell-script -*-

_tutti()
{
    local program answer line
    program=$(type -P -- "$1") || program=tutti
    answer=$("$program" ` + BashRequest + ` "${COMP_TYPE-9}" "$2" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            =*) COMPREPLY[${#COMPREPLY[@]}]=${line#=} ;;
            :files) compopt +o nospace 2>/dev/null ;;
            :dirs) compopt -o dirnames +o default +o nospace 2>/dev/null ;;
            :) compopt +o default 2>/dev/null ;;
        esac
    done <<< "$answer"
}

complete -o default -o nospace -F _tutti tutti
`

// BashRequest is the hidden command that the script calls.
const BashRequest = "__complete_bash"

// writeBashCompletion writes what bash reads.
func writeBashCompletion(_ *cobra.Command, w io.Writer) error {
	_, err := io.WriteString(w, bashCompletion)
	return err
}

// Bash answers the script. args are how bash completes (COMP_TYPE), the end of
// the line that bash will replace, and the line up to the cursor; run executes a command
// line of this program.
func Bash(ctx context.Context, std cli.Streams, args []string, run func(ctx context.Context, args []string, std cli.Streams) int) error {
	if len(args) != 3 {
		return fault.Syntaxf("%s is for tutti completion bash", BashRequest)
	}
	line := splitLine(args[2])
	if line.redirect || len(line.words) == 0 {
		_, err := fmt.Fprintln(std.Out, ":files")
		return err
	}
	var found bytes.Buffer
	inner := std
	inner.Out, inner.Err = &found, io.Discard
	run(ctx, slices.Concat([]string{cobra.ShellCompRequestCmd}, line.words[1:], []string{line.last}), inner)
	candidates, directive := readCandidates(found.String())
	_, err := io.WriteString(std.Out, bashAnswer(line, args[1], args[0], candidates, directive))
	return err
}

// A candidate is a word that completes, and what it is.
type candidate struct{ word, description string }

// readCandidates reads what the library prints for a completion.
func readCandidates(text string) (all []candidate, directive cobra.ShellCompDirective) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if number, ok := strings.CutPrefix(line, ":"); ok {
			n, _ := strconv.Atoi(number) // nothing is 0, which is what shells do by themselves
			directive = cobra.ShellCompDirective(n)
			continue
		}
		word, description, _ := strings.Cut(line, "\t")
		all = append(all, candidate{word, description})
	}
	return all, directive
}

// bashAnswer is the answer to the script. What bash replaces stays as it was
// typed, and what is new comes behind it.
func bashAnswer(line shellLine, typed, how string, candidates []candidate, directive cobra.ShellCompDirective) string {
	value := line.last
	if strings.HasPrefix(value, "-") {
		if i := strings.IndexByte(value, '='); i >= 0 {
			value = value[i+1:] // candidates are values of the flag
		}
	}
	var fit []candidate
	for _, c := range candidates {
		if strings.HasPrefix(c.word, value) {
			fit = append(fit, c)
		}
	}
	if len(fit) == 0 {
		switch {
		case directive&cobra.ShellCompDirectiveFilterDirs != 0:
			return ":dirs\n"
		case directive&noFiles == 0:
			return ":files\n"
		}
		return ":\n"
	}
	var b strings.Builder
	b.WriteString(":\n")
	for _, c := range fit {
		text := typed + line.quoted(c.word[len(value):])
		switch {
		case len(fit) > 1 && listing(how) && c.description != "":
			text += "  (" + cli.OneLine(c.description, maxDescription) + ")"
		case directive&cobra.ShellCompDirectiveNoSpace == 0 && line.quote == 0:
			text += " "
		}
		b.WriteString("=" + sanitize.Visible(text) + "\n")
	}
	return b.String()
}

// maxDescription bounds the text behind a candidate, in characters.
const maxDescription = 60

// listing reports whether bash will list the candidates instead of inserting one: ?, !
// and @ in COMP_TYPE.
func listing(how string) bool { return how == "63" || how == "33" || how == "64" }

// A shellLine is a command line up to the cursor, as a shell reads it.
type shellLine struct {
	// words are those before the one that is completed, which is last.
	words []string
	last  string
	// quote is the quote that is open at the end; 0: none.
	quote byte
	// redirect says that the last word is the target of a redirection.
	redirect bool
}

// quoted is text as it has to be written where the line ends.
func (l *shellLine) quoted(text string) string {
	special := " \t\"'\\$`|&;<>()*?[]{}!#"
	switch l.quote {
	case '\'':
		return strings.ReplaceAll(text, "'", `'\''`)
	case '"':
		special = "\"\\$`"
	}
	var b strings.Builder
	for _, c := range text {
		if strings.ContainsRune(special, c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// splitLine reads a line. Variables and commands in it are left as they are: pressing
// the completion key must not run anything.
func splitLine(text string) shellLine {
	var l shellLine
	var word strings.Builder
	begun := false // whether there is a word, which may be empty
	end := func() {
		if begun && !l.redirect {
			l.words = append(l.words, word.String())
		}
		if begun {
			l.redirect = false
		}
		word.Reset()
		begun = false
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		escapes := c == '\\' && i+1 < len(text)
		switch {
		case l.quote == '\'' && c != '\'', l.quote == '"' && c != '"' && !escapes:
			word.WriteByte(c)
		case c == l.quote && c != 0:
			l.quote = 0
		case escapes:
			i++
			word.WriteByte(text[i])
			begun = true
		case l.quote == 0 && (c == '\'' || c == '"'):
			l.quote, begun = c, true
		case c == ' ' || c == '\t' || c == '\n':
			end()
		case c == '<' || c == '>':
			if isDigits(word.String()) {
				word.Reset() // the number of a file, or nothing
				begun = false
			}
			end()
			l.redirect = true
		case strings.IndexByte("|&;()", c) >= 0 && !l.redirect:
			l = shellLine{}
			word.Reset()
			begun = false
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	l.last = word.String()
	return l
}

func isDigits(text string) bool { return strings.Trim(text, "0123456789") == "" }

// completeFile completes the path of a file; after a directory the completion
// continues.
func completeFile(path string) []string {
	dir, base := filepath.Split(path)
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil // the command itself will say why
	}
	var out []string
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, base) || base == "" && strings.HasPrefix(name, ".") {
			continue
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.IsDir() {
			name += "/"
		}
		out = append(out, dir+name)
	}
	return out
}
