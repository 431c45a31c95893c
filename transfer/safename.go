package transfer

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestName bounds a name in bytes. File systems allow 255, and the mark of a namesake
// and of a temporary file come to it.
const longestName = 200

// isName reports whether a host may name a file like that.
func isName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

// safeName is the name on this machine of a file that a host calls name. What a terminal,
// a shell or another system would understand otherwise is %XX, as in a URL. taken are the
// names of the same directory, without their case: of two that differ in it only, the
// second gets a ~2, so that neither replaces the other on a disk that does not tell them
// apart. as is the name if it is another one, else empty.
func safeName(name string, taken map[string]bool) (safe, as string) {
	var b strings.Builder
	for i, r := range name {
		_, size := utf8.DecodeRuneInString(name[i:])
		if r == utf8.RuneError || !unicode.IsPrint(r) || strings.ContainsRune(`%\:`, r) || i == 0 && r == '-' || i == 0 && r == '~' {
			for _, c := range []byte(name[i : i+size]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
			continue
		}
		b.WriteRune(r)
	}
	safe = b.String()
	if len(safe) > longestName {
		mark := fmt.Sprintf("~%x", sha256.Sum256([]byte(name)))[:33]
		safe = strings.ToValidUTF8(safe[:longestName-len(mark)], "") + mark
	}
	for base, n := safe, 2; taken[strings.ToLower(safe)]; n++ {
		safe = fmt.Sprintf("%s~%d", base, n)
	}
	taken[strings.ToLower(safe)] = true
	if safe == name {
		return safe, ""
	}
	return safe, safe
}
