package completion

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// The library's scripts let the shell evaluate the line, so that pressing the
// completion key runs commands in it, and a quote that is still open finds nothing.
// These are the parts that are replaced, old and new by turns.
var (
	zshRepairs = []string{
		`'-.*='`, `'^-[^=]*='`,
		`words=("${=words[1,CURRENT]}")`, `words=("${(@)words[1,CURRENT]}")`,
		`    # Prepare the command to obtain completions
    requestComp="${words[1]} __complete ${words[2,-1]}"
    if [ "${lastChar}" = "" ]; then
        # If the last parameter is complete (there is a space following it)
        # We add an extra empty parameter so we can indicate this to the go completion code.
        __tutti_debug "Adding extra empty parameter"
        requestComp="${requestComp} \"\""
    fi
`, `    local program=${~${(Q)words[1]}}
    whence -p -- "$program" > /dev/null || program=tutti
    local last=${(Q)words[-1]}
    last=${last#[\'\"]} # of a quote that is still open
`,
		`    __tutti_debug "About to call: eval ${requestComp}"

    # Use eval to handle any environment variables and such
    out=$(eval ${requestComp} 2>/dev/null)
`, `    out=$(command "$program" __complete "${(@Q)words[2,-2]}" "$last" 2>/dev/null)
`,
	}
	fishRepairs = []string{
		`(string match -r -- '-.*=' "$lastArg")`, `(string match -r -- '^-[^=]*=' "$lastArg")`,
		`set -l split (string split --max 1 \t $__tutti_comp_results[1])`, `set -l split (string split --max 1 -- \t $__tutti_comp_results[1])`,
		`set -l lastArg (string escape -- (commandline -ct))`, `set -l lastArg (commandline -ct | string trim --left --chars='\'"' | string unescape)`,
		`set -l results (eval $requestComp 2> /dev/null)`, `set -l results (TUTTI_ACTIVE_HELP=0 command $args[1] __complete $args[2..-1] "$lastArg" 2> /dev/null)`,
		`set -l prefix (commandline -t | string escape --style=regex)`, `set -l prefix (commandline -ct | string trim --left --chars='\'"' | string unescape | string escape --style=regex)`,
	}
)

// writeRepaired writes what generate does, with the repairs.
func writeRepaired(w io.Writer, repairs []string, generate func(io.Writer) error) error {
	var b strings.Builder
	if err := generate(&b); err != nil {
		return err
	}
	text := b.String()
	for i := 0; i < len(repairs); i += 2 {
		if !strings.Contains(text, repairs[i]) {
			return fmt.Errorf("the library's script has changed: there is no %q", repairs[i])
		}
		text = strings.Replace(text, repairs[i], repairs[i+1], 1)
	}
	_, err := io.WriteString(w, text)
	return err
}

func writeZshCompletion(root *cobra.Command, w io.Writer) error {
	return writeRepaired(w, zshRepairs, root.GenZshCompletion)
}

func writeFishCompletion(root *cobra.Command, w io.Writer) error {
	return writeRepaired(w, fishRepairs, func(w io.Writer) error { return root.GenFishCompletion(w, true) })
}
