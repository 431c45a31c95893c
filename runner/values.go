package runner

import (
	"fmt"
	"path/filepath"

	"tutti/internal/typed"
)

var (
	_ typed.Value  = (*hostKeyMode)(nil)
	_ typed.Worded = (*hostKeyMode)(nil)
	_ typed.Value  = (*sshConfigFile)(nil)
)

// A hostKeyMode is what happens with an unknown host key.
type hostKeyMode string

// Words are the modes.
func (m *hostKeyMode) Words() ([]string, bool) { return []string{"strict", "accept-new", "off"}, false }

// Set takes the word for a mode.
func (m *hostKeyMode) Set(text string) error {
	words, _ := m.Words()
	word, err := typed.OneOf(text, words)
	if err == nil {
		*m = hostKeyMode(word)
	}
	return err
}

func (m *hostKeyMode) String() string { return string(*m) }

// Type is the placeholder in help.
func (m *hostKeyMode) Type() string { return "strict|accept-new|off" }

// A sshConfigFile is the ssh_config to read: the path of a file, which is made
// absolute, or none.
type sshConfigFile string

// Set takes a path, or none.
func (f *sshConfigFile) Set(text string) error {
	switch text {
	case "":
		return fmt.Errorf("missing path; %s reads no file", NoSSHConfig)
	case NoSSHConfig:
		*f = NoSSHConfig
	default:
		*f = sshConfigFile(Absolute(text))
	}
	return nil
}

func (f *sshConfigFile) String() string { return string(*f) }

// Type is the placeholder in help.
func (f *sshConfigFile) Type() string { return "FILE|none" }

// Absolute makes path absolute; "-" stays, and so does a path without a current
// directory.
func Absolute(path string) string {
	if path == "-" || path == "" || IsDatabase(path) {
		return path
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
