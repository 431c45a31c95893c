package cmd

import "tutti/internal/phrase"

func shellWord(word string) string { return phrase.ShellWord(word) }

func shellWords(args []string) string { return phrase.ShellWords(args) }

// count is n things, in words.
func count(n int, thing string) string { return phrase.Count(n, thing) }
