package knownhosts

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
)

// Inspect returns the number of valid lines of a file, and what is wrong with the
// others. The error wraps fs.ErrNotExist if there is no such file.
func Inspect(file string) (lines int, bad []string, err error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		err = fs.ErrNotExist
	}
	newIndex().add(file, data, func(text string) { bad = append(bad, text) })
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			lines++
		}
	}
	return lines - len(bad), bad, err
}
