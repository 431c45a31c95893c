package ssh

import (
	"fmt"
	"regexp"
	"strconv"
)

// The library cannot read every message that others pass over, and it says so in
// words only. These are the words.
var (
	unparsed   = regexp.MustCompile(`parse error in message type (\d+)|unmarshal error for field \w+ of type (\w+)`)
	unexpected = regexp.MustCompile(`unexpected message type (\d+) \(expected`)
	malformed  = regexp.MustCompile(`prompt format error|extra data following keyboard-interactive pairs`)
)

// messages are the messages of a login by their number, and by the name of their
// type in the library.
var messages = map[string]string{
	"6": "an answer about the service", "serviceAcceptMsg": "an answer about the service",
	"7": "a list of extensions", "extInfoMsg": "a list of extensions",
	"51": "a refusal", "userAuthFailureMsg": "a refusal",
	"53": "a banner", "userAuthBannerMsg": "a banner",
	"60": "an answer about a key, or a question,", "userAuthPubKeyOkMsg": "an answer about a key", "userAuthInfoRequestMsg": "a question",
}

// isUnreadable reports whether err is about a message of the host that the
// library cannot read. After it no answer can be told from the next.
func isUnreadable(err error) bool { return unreadable(err) != "" }

// unreadable is what the host has sent that the library cannot read, in words;
// empty if err is about something else.
func unreadable(err error) string {
	text := err.Error()
	if m := unparsed.FindStringSubmatch(text); m != nil {
		for _, name := range m[1:] {
			if words := messages[name]; words != "" {
				return "the host sent " + words + " that cannot be read"
			}
		}
		return "the host sent a message that tutti cannot decode (" + m[0] + ")"
	}
	if malformed.MatchString(text) {
		return "the host sent a malformed question"
	}
	if m := unexpected.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && n != msgUserAuthFailure {
			return fmt.Sprintf("the host sent a message of type %d, which has no place in a login", n)
		}
	}
	return ""
}

// wantsNewPassword reports whether err is about a host that answers to a password
// by asking for a new one, which the library does not know.
func wantsNewPassword(err error) bool {
	m := unexpected.FindStringSubmatch(err.Error())
	return m != nil && m[1] == "60"
}

// msgUserAuthFailure in place of a question is a refusal, which the library
// calls unexpected.
const msgUserAuthFailure = 51
