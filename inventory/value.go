package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"tutti/internal/hostlist"
	"tutti/internal/quantity"
	"tutti/internal/yamltree"
)

// parseValue reads the text of a setting that has a single value.
func parseValue(key Key, text string) (setting, error) {
	s := setting{key: key}
	if text == "" {
		return s, yamltree.Mistakef("the value is empty")
	}
	if hasControl(text) {
		return s, yamltree.Mistakef("%s holds a control character", hostlist.Quote(text))
	}
	var err error
	switch key {
	case KeyAddress:
		s.text, err = parseAddress(text)
	case KeyUser:
		s.text, err = text, checkUser(text)
	case KeyPort:
		s.number, err = parseNumber(text, 1, 65535)
		s.text = strconv.Itoa(s.number)
	case KeyRetries:
		s.number, err = parseNumber(text, 0, 1_000_000)
		s.text = strconv.Itoa(s.number)
	case KeyConnectTimeout, KeyTimeout:
		s.duration, err = quantity.ParseDuration(text)
		s.text = quantity.FormatDuration(s.duration)
	case KeyJump:
		s.text, err = jumpText(text)
	case KeyHostKeys:
		var k HostKeys
		k, err = ParseHostKeys(text)
		s.number, s.text = int(k), k.String()
	case KeyExitStatus:
		if s.text = text; text != exitStatusSent && text != exitStatusNone {
			err = yamltree.Mistakef("%q is not one of %s, %s", text, exitStatusSent, exitStatusNone)
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
			return "", yamltree.Mistakef("%q is not an address; a port has its own key", text)
		}
		return inner, nil
	}
	if strings.Contains(text, ":") {
		if !hostlist.IsIPv6(text) {
			return "", yamltree.Mistakef("%q is not an address; a port has its own key", text)
		}
		return text, nil
	}
	if !hostlist.ValidName(text) || text[0] == '-' {
		return "", yamltree.Mistakef("%q is not a host name or an IP address", text)
	}
	return text, nil
}

// CheckUser returns why text cannot be the name that somebody logs in with, or
// nil.
func CheckUser(text string) error { return checkUser(text) }

// checkUser refuses what ssh refuses as a login name: what a shell that is handed
// the name, by a proxy command, could take for something else.
func checkUser(text string) error {
	if text == "" || text[0] == '-' || text[len(text)-1] == '\\' || strings.ContainsFunc(text, badInUser) {
		return yamltree.Mistakef("%q is not a login name", text)
	}
	for i := range len(text) - 1 {
		if isSpace(text[i]) && text[i+1] == '-' {
			return yamltree.Mistakef("%q is not a login name: a dash follows a space", text)
		}
	}
	return nil
}

func badInUser(r rune) bool {
	return unicode.IsControl(r) || strings.ContainsRune("`\"'&;|<>(){}", r)
}

func parseNumber(text string, low, high int) (int, error) {
	if !hostlist.IsNumber(text) || hostlist.Padding(text) > 0 {
		return 0, yamltree.Mistakef("%s is not a number", hostlist.Quote(text))
	}
	n := hostlist.Number(text)
	if n < int64(low) || n > int64(high) {
		return 0, yamltree.Mistakef("%s is not between %d and %d", text, low, high)
	}
	return int(n), nil
}

// identityPath makes a key file's path absolute: ~ is our home, and anything
// relative is relative to dir.
func identityPath(text, dir string) (string, error) {
	switch {
	case text == "":
		return "", yamltree.Mistakef("the path is empty")
	case hasControl(text):
		return "", yamltree.Mistakef("%s holds a control character", hostlist.Quote(text))
	case text == "~" || strings.HasPrefix(text, "~/"):
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("%q is in our home, which is not known: %w", text, err)
		}
		return filepath.Join(home, text[1:]), nil
	case text[0] == '~':
		return "", yamltree.Mistakef("%q: the home of another user is not looked up; write the whole path", text)
	case filepath.IsAbs(text):
		return filepath.Clean(text), nil
	}
	return filepath.Abs(filepath.Join(dir, text))
}

func hasControl(text string) bool { return strings.ContainsFunc(text, unicode.IsControl) }
