package layer

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"tutti/internal/hostkeys"
	"tutti/internal/hostlist"
	"tutti/internal/quantity"
	"tutti/internal/yamltree"
)

// ParseValue reads the text of a setting that has a single value.
func ParseValue(key Key, text string) (Value, error) {
	s := Value{Key: key}
	if text == "" {
		return s, yamltree.Mistakef("empty value")
	}
	if HasControl(text) {
		return s, yamltree.Mistakef("%s contains a control character", hostlist.Quote(text))
	}
	var err error
	switch key {
	case KeyAddress:
		s.Text, err = parseAddress(text)
	case KeyUser:
		s.Text, err = text, CheckUser(text)
	case KeyPort:
		s.Number, err = ParseNumber(text, 1, 65535)
		s.Text = strconv.Itoa(s.Number)
	case KeyRetries:
		s.Number, err = ParseNumber(text, 0, 1_000_000)
		s.Text = strconv.Itoa(s.Number)
	case KeyConnectTimeout, KeyTimeout:
		s.Duration, err = quantity.ParseDuration(text)
		s.Text = quantity.FormatDuration(s.Duration)
	case KeyJump:
		s.Text, err = jumpText(text)
	case KeyHostKeys:
		var k hostkeys.Mode
		k, err = hostkeys.Parse(text)
		s.Number, s.Text = int(k), k.String()
	case KeyExitStatus:
		if s.Text = text; text != exitStatusSent && text != ExitStatusNone {
			err = yamltree.Mistakef("%q: want one of %s, %s", text, exitStatusSent, ExitStatusNone)
		}
	default:
		panic("inventory: no such setting: " + string(key))
	}
	return s, err
}

// parseAddress checks a host name or IP address, and takes the brackets from
// around an IPv6 one.
func parseAddress(text string) (string, error) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); !ok || !hostlist.IsIPv6(inner) {
			return "", yamltree.Mistakef("%q is not an address; set the port separately", text)
		}
		return inner, nil
	}
	if strings.Contains(text, ":") {
		if !hostlist.IsIPv6(text) {
			return "", yamltree.Mistakef("%q is not an address; set the port separately", text)
		}
		return text, nil
	}
	if !hostlist.ValidName(text) || text[0] == '-' {
		return "", yamltree.Mistakef("%q is not a host name or an IP address", text)
	}
	return text, nil
}

// CheckUser returns why text cannot be a login name, or nil. It refuses what ssh
// refuses: names that a shell, as in a proxy command, could interpret.
func CheckUser(text string) error {
	if text == "" || text[0] == '-' || text[len(text)-1] == '\\' || strings.ContainsFunc(text, badInUser) {
		return yamltree.Mistakef("%q is not a login name", text)
	}
	for i := range len(text) - 1 {
		if hostlist.IsSpace(text[i]) && text[i+1] == '-' {
			return yamltree.Mistakef("%q is not a login name: a dash follows a space", text)
		}
	}
	return nil
}

func badInUser(r rune) bool {
	return unicode.IsControl(r) || strings.ContainsRune("`\"'&;|<>(){}", r)
}

// ParseNumber reads a whole number from low to high.
func ParseNumber(text string, low, high int) (int, error) {
	if !hostlist.IsNumber(text) || hostlist.Padding(text) > 0 {
		return 0, yamltree.Mistakef("%s is not a number", hostlist.Quote(text))
	}
	n := hostlist.Number(text)
	if n < int64(low) || n > int64(high) {
		return 0, yamltree.Mistakef("%s: want %d to %d", text, low, high)
	}
	return int(n), nil
}

// IdentityPath makes a key file's path absolute: ~ is the user's home, and a relative
// path is relative to dir.
func IdentityPath(text, dir string) (string, error) {
	switch {
	case text == "":
		return "", yamltree.Mistakef("empty path")
	case HasControl(text):
		return "", yamltree.Mistakef("%s contains a control character", hostlist.Quote(text))
	case text == "~" || strings.HasPrefix(text, "~/"):
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("%q: cannot determine your home directory: %w", text, err)
		}
		return filepath.Join(home, text[1:]), nil
	case text[0] == '~':
		return "", yamltree.Mistakef("%q: home directories of other users are not supported; write an absolute path", text)
	case filepath.IsAbs(text):
		return filepath.Clean(text), nil
	}
	return filepath.Abs(filepath.Join(dir, text))
}

// HasControl reports whether there are control characters in text.
func HasControl(text string) bool { return strings.ContainsFunc(text, unicode.IsControl) }
