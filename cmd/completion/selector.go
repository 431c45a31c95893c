package completion

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/help"
	"tutti/fanout"
	"tutti/internal/phrase"
	"tutti/inventory"
	"tutti/runner"
)

// historyOf is the history that the flags of cmd name, empty without one.
func historyOf(cmd *cobra.Command) string {
	if f := cmd.Flag("history"); f != nil {
		return f.Value.String()
	}
	return ""
}

// RunItemPrefix begins an item that names the hosts of a run.
const RunItemPrefix = "run:"

// ItemFlags makes the flags complete that take items, for all commands
// below root.
func ItemFlags(std cli.Streams, root *cobra.Command) {
	for _, cmd := range root.Commands() {
		ItemFlags(std, cmd)
	}
	for _, name := range help.ItemFlags {
		if root.Flags().Lookup(name) == nil {
			continue
		}
		hostsOnly := name == "hosts" || name == "host"
		err := root.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			r := &runner.Request{}
			if f := cmd.Flags().Lookup("inventory"); f != nil {
				r.Hosts.Inventory = f.Value.(pflag.SliceValue).GetSlice()
			}
			return completeItems(std, cmd, r, toComplete, hostsOnly)
		})
		if err != nil {
			panic(err) // a flag that is completed twice
		}
	}
}

// Selector completes the last item of a SELECTOR.
func Selector(std cli.Streams, r *runner.Request) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || r.Hosts.AdHoc() {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return completeItems(std, cmd, r, toComplete, false)
	}
}

// completeItems completes the last item of a list with the hosts, groups and
// labels of the inventory, with earlier runs, and with files behind @. An
// inventory that cannot be read completes nothing; the command itself will say
// why.
func completeItems(std cli.Streams, cmd *cobra.Command, r *runner.Request, toComplete string, hostsOnly bool) ([]string, cobra.ShellCompDirective) {
	before, item := lastItem(toComplete)
	var out []string
	add := func(word, description string) {
		if strings.HasPrefix(word, item) {
			out = append(out, before+word+"\t"+description)
		}
	}
	if path, ok := strings.CutPrefix(item, "@"); ok && !hostsOnly {
		for _, file := range completeFile(path) {
			add("@"+file, "file")
		}
		return out, noFiles | cobra.ShellCompDirectiveNoSpace
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), Patience)
	defer cancel()
	if !hostsOnly {
		completeRunItems(ctx, std, cmd, item, add)
	}
	inv, _, err := std.Env().LoadInventory(ctx, r, nil)
	if err != nil {
		return out, noFiles | cobra.ShellCompDirectiveNoSpace
	}
	addNames(inv, hostsOnly, add)
	return unique(out), noFiles | cobra.ShellCompDirectiveNoSpace
}

// addNames adds what the inventory has names for.
func addNames(inv *inventory.Inventory, hostsOnly bool, add func(word, description string)) {
	if !hostsOnly {
		add("all", "every host")
		for _, g := range inv.Groups() {
			add(g, "group")
		}
	}
	for _, h := range inv.Hosts() {
		add(h.Name, "host")
		for k, v := range h.Labels {
			if !hostsOnly {
				add(k+"="+v, "label")
			}
		}
	}
}

// completeRunItems completes run:142, and the outcomes behind that.
func completeRunItems(ctx context.Context, std cli.Streams, cmd *cobra.Command, item string, add func(word, description string)) {
	prefix := item[:min(len(item), len(RunItemPrefix))]
	if prefix == "" || !strings.HasPrefix(RunItemPrefix, prefix) {
		return
	}
	for _, ref := range recentRuns(ctx, std, historyOf(cmd)) {
		word := RunItemPrefix + ref.name
		add(word, RunText(ref.run))
		head := word + ":"
		if named, ok := strings.CutPrefix(item, head); ok {
			head += named[:strings.LastIndexByte(named, '+')+1]
		}
		for _, o := range fanout.Outcomes() {
			given := slices.Contains(strings.Split(strings.TrimPrefix(head, word+":"), "+"), o.String())
			if n := ref.run.Summary.Counts[o]; n > 0 && !given {
				add(head+o.String(), phrase.Count(n, "host"))
			}
		}
	}
}

// lastItem cuts a list before its last item and the operator in front of that. A
// comma in brackets, or behind a quote, is part of an item.
func lastItem(list string) (before, item string) {
	depth, quoted, start := 0, false, 0
	for i, c := range list {
		switch {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == ',' && depth <= 0:
			start = i + 1
		}
	}
	if start < len(list) && strings.IndexByte("!&", list[start]) >= 0 {
		start++
	}
	return list[:start], list[start:]
}

// unique drops repetitions and keeps the order.
func unique(words []string) []string {
	seen := make(map[string]bool, len(words))
	out := words[:0]
	for _, w := range words {
		if !seen[w] {
			seen[w] = true
			out = append(out, w)
		}
	}
	return out
}
