package cmd

import (
	"github.com/spf13/pflag"

	"tutti/internal/typed"
	"tutti/output"
)

// outputOptions say what is shown, and how.
type outputOptions struct {
	fileOptions
	mode       typed.Choice
	sort       typed.Choice
	fold       bool
	json       bool
	diff       bool
	timestamps bool
	noPrefix   bool
	raw        bool
	quiet      bool
	verbose    bool
	color      typed.Choice
	progress   typed.Choice
}

// The output modes.
const (
	modeStream = "stream"
	modeFold   = "fold"
	modeHost   = "host"
	modeTable  = "table"
	modeJSON   = "json"
	modeNone   = "none"
)

// The orders of a table.
const (
	sortHost    = "host"
	sortOutcome = "outcome"
	sortTime    = "time"
)

func newOutputOptions() outputOptions {
	always := []string{"auto", "always", "never"}
	return outputOptions{
		mode:     typed.Choice{Word: modeStream, Of: []string{modeStream, modeFold, modeHost, modeTable, modeJSON, modeNone}},
		sort:     typed.Choice{Word: sortHost, Of: []string{sortHost, sortOutcome, sortTime}},
		color:    typed.Choice{Word: "auto", Of: always},
		progress: typed.Choice{Word: "auto", Of: always},
	}
}

func (o *outputOptions) addFlags(f *pflag.FlagSet) {
	o.addModeFlags(f)
	o.addTextFlags(f)
	o.addCommonFlags(f)
}

// addPingFlags are those that make sense without a command.
func (o *outputOptions) addPingFlags(f *pflag.FlagSet) {
	o.addModeFlags(f)
	o.addCommonFlags(f)
}

func (o *outputOptions) addModeFlags(f *pflag.FlagSet) {
	f.VarP(&o.mode, "output", "o", "output `MODE`: stream (lines as they come), fold (identical output once), host (a block per host), table (a line per host, at the end), json (events), none")
	o.addSortFlag(f)
	f.BoolVarP(&o.fold, "fold", "b", false, "the same as -o fold")
	f.BoolVar(&o.json, "json", false, "the same as -o json")
}

func (o *outputOptions) addSortFlag(f *pflag.FlagSet) {
	f.Var(&o.sort, "sort", "with -o table, sort by `KEY`: host (the order of the selection), outcome (not ok first), time (slowest first)")
}

// addTextFlags are those about the hosts' output.
func (o *outputOptions) addTextFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.diff, "diff", false, "like -o fold, and show each group as a diff against the largest")
	f.BoolVar(&o.timestamps, "timestamps", false, "prefix each line with the time (UTC)")
}

func (o *outputOptions) addCommonFlags(f *pflag.FlagSet) {
	o.fileOptions.addFlags(f)
	f.BoolVar(&o.noPrefix, "no-prefix", false, "print output without host names")
	f.BoolVar(&o.raw, "raw", false, "pass colour codes from the hosts to the terminal")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print only problems")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log each step on stderr")
	f.Var(&o.color, "color", "colour `WHEN`: auto, always, never")
	f.Var(&o.progress, "progress", "show progress on stderr `WHEN`: auto, always, never")
}

func (o *outputOptions) finalize(f *pflag.FlagSet) error {
	mode, source := o.mode.Word, "-o "+o.mode.Word
	for _, short := range []struct {
		on         bool
		flag, mode string
	}{{o.fold, "-b/--fold", modeFold}, {o.diff, "--diff", modeFold}, {o.json, "--json", modeJSON}} {
		if !short.on {
			continue
		}
		if (f.Changed("output") || source != "-o "+o.mode.Word) && mode != short.mode {
			return syntaxf("%s and %s cannot be combined", source, short.flag)
		}
		mode, source = short.mode, short.flag
	}
	o.mode.Word = mode
	switch {
	case f.Changed("sort") && mode != modeTable:
		return syntaxf("--sort needs -o table")
	case o.noPrefix && mode != modeStream && mode != modeHost && mode != modeFold:
		return syntaxf("--no-prefix cannot be combined with %s", source)
	case o.quiet && mode == modeJSON:
		return syntaxf("-q/--quiet cannot be combined with %s: every event is a line", source)
	case o.diff && o.noPrefix:
		return syntaxf("--diff and --no-prefix cannot be combined")
	case o.timestamps && mode == modeJSON:
		return syntaxf("--timestamps cannot be combined with %s: every event has its time", source)
	case o.timestamps && mode != modeStream:
		return syntaxf("--timestamps cannot be combined with %s: only streamed lines have a time", source)
	case o.timestamps && (o.noPrefix || o.quiet):
		return syntaxf("--timestamps cannot be combined with --no-prefix or -q/--quiet")
	}
	return nil
}

// order is the one of a table.
func (o *outputOptions) order() output.Order {
	switch o.sort.Word {
	case sortOutcome:
		return output.ByOutcome
	case sortTime:
		return output.ByTime
	}
	return output.ByHost
}
