package help

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/internal/typed"
)

// completeFlags makes the flags in set complete their words. Where a flag takes
// neither words nor a file, nothing is offered.
func completeFlags(cmd *cobra.Command, set *pflag.FlagSet) {
	set.VisitAll(func(f *pflag.Flag) {
		if slices.Contains(ItemFlags, f.Name) {
			return // see completion.ItemFlags
		}
		complete := cobra.NoFileCompletions
		if words, list := wordsFor(f.Value); len(words) > 0 {
			complete = completeWords(words, list)
		} else {
			switch placeholder, _ := pflag.UnquoteUsage(f); {
			case strings.HasPrefix(placeholder, "FILE"):
				return // what shells do by themselves
			case placeholder == "DIR":
				complete = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
			}
		}
		if err := cmd.RegisterFlagCompletionFunc(f.Name, complete); err != nil {
			panic(err) // a flag that is defined twice
		}
	})
}

// wordsFor are those that a flag's value is made of; none: it is made of others.
func wordsFor(v pflag.Value) (words []string, list bool) {
	if v, ok := v.(typed.Worded); ok {
		return v.Words()
	}
	return nil, false
}

// completeWords completes the word, or the last of a list.
func completeWords(words []string, list bool) cobra.CompletionFunc {
	if !list {
		return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	}
	return func(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		before := toComplete[:strings.LastIndexByte(toComplete, ',')+1]
		var out []string
		for _, word := range words {
			if !slices.Contains(strings.Split(before, ","), word) && (word != "all" || before == "") {
				out = append(out, before+word)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// ItemFlags are the flags that take items of a selector, or hosts.
var ItemFlags = []string{"exclude", "only", "hosts", "host"}
