package console

import (
	"maps"
	"slices"
	"strings"

	"tutti/api"
	"tutti/internal/phrase"
)

// sortedKeys are the names of options, in order.
func sortedKeys(options map[string][]string) []string { return slices.Sorted(maps.Keys(options)) }

// flagsOf are options as flags, in the order of their names.
func flagsOf(options map[string][]string) []string {
	var words []string
	for _, name := range sortedKeys(options) {
		flag := "--" + strings.ReplaceAll(name, "_", "-")
		for _, text := range options[name] {
			switch {
			case text == "true":
				words = append(words, flag)
			case flag == "--sudo": // its value is optional
				words = append(words, flag+"="+text)
			default:
				words = append(words, flag, text)
			}
		}
	}
	return words
}

// runLine is the command line that runs the same as a run did.
func runLine(p *api.RunPlan) string {
	words := []string{"tutti", "run"}
	script, isScript := strings.CutPrefix(p.Command, "script ")
	switch {
	case p.Command == "":
		words[1] = "ping"
	case isScript:
		words[1] = "script"
	}
	words = append(append(words, flagsOf(p.Options)...), p.Selector)
	if isScript {
		return phrase.ShellWords(words) + " " + script
	}
	if p.Command != "" {
		words = append(words, p.Command)
	}
	return phrase.ShellWords(words)
}
