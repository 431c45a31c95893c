package output

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"tutti/fanout"
)

// longestFileName bounds a name in bytes. File systems allow 255, and an ending and the
// mark of a second host of that name follow.
const longestFileName = 200

// FileNames returns a file name for each target, by index, as those of the files of
// hosts are.
func FileNames(targets []fanout.Target) []string { return fileNames(targets) }

// fileNames returns a file name for each target, by index. No two are the same,
// also where the file system does not distinguish upper and lower case, and none of
// them leads out of a directory, is hidden, or means something to a shell.
func fileNames(targets []fanout.Target) []string {
	names := make([]string, len(targets))
	namesakes := make(map[string]int, len(targets))
	for i, t := range targets {
		name := fileName(t.Name)
		folded := strings.ToLower(name)
		namesakes[folded]++
		if n := namesakes[folded]; n > 1 {
			name += fmt.Sprintf("~%d", n)
		}
		names[i] = name
	}
	return names
}

// fileName is host with every byte that is not a letter, a digit or one of _.-
// as %XX, like in a URL; so is a dot or a hyphen at the beginning. A name that
// is too long ends with its hash. The ~ of hashes and namesakes is in no other
// name.
func fileName(host string) string {
	var b strings.Builder
	for i, c := range []byte(host) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_',
			i > 0 && (c == '.' || c == '-'):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	name := b.String()
	if len(name) <= longestFileName {
		return name
	}
	hash := fmt.Sprintf("~%x", sha256.Sum256([]byte(host)))[:33]
	return name[:longestFileName-len(hash)] + hash
}
