package ansible

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"tutti/internal/hostlist"
	"tutti/inventory/layer"
	"tutti/inventory/sshconfig"
)

// proxySetting reads a command that connects. One that does no more than go
// through a host, such as "ssh -W %h:%p bastion", is a jump: its login serves many
// hosts. Any other is run as ssh_config's ProxyCommand is, but only if the operator
// named the inventory: a file that was merely found must not run commands.
func proxySetting(v *value, command string) (layer.Value, error) {
	if strings.EqualFold(command, layer.NoJump) {
		return layer.ParseValue(layer.KeyJump, layer.NoJump)
	}
	if jump, ok := jumpOf(command); ok {
		return layer.ParseValue(layer.KeyJump, jump)
	}
	if v.source.file.Trust != layer.Named {
		return layer.Value{}, fmt.Errorf("the command %s runs only from an inventory that was named, not found; write a jump as ProxyJump", hostlist.Quote(command))
	}
	if layer.HasControl(command) {
		return layer.Value{}, fmt.Errorf("%s contains a control character", hostlist.Quote(command))
	}
	if _, err := ExpandProxy(command, ProxyTarget{}); err != nil {
		return layer.Value{}, err
	}
	return layer.Value{Key: layer.KeyJump, Text: command, Command: true}, nil
}

// A ProxyTarget is the host that a proxy command is to connect to.
type ProxyTarget struct {
	Name, Address, User string
	Port                int
}

// ExpandProxy replaces the tokens of a proxy command: %h is the host's address, %n its
// name, %p its port, %r the user, and %% a percent sign.
func ExpandProxy(command string, to ProxyTarget) (string, error) {
	return sshconfig.ExpandTokens(command, func(token byte) (string, bool) {
		switch token {
		case 'h':
			return to.Address, true
		case 'n':
			return to.Name, true
		case 'p':
			return strconv.Itoa(to.Port), true
		case 'r':
			return to.User, true
		}
		return "", false
	})
}

// idleOptions are keywords of ssh that affect neither where a jump goes nor how it logs
// in or whom it trusts.
var idleOptions = []string{
	"batchmode", "compression", "connectionattempts", "connecttimeout", "controlmaster", "controlpath", "controlpersist",
	"forwardagent", "forwardx11", "loglevel", "requesttty", "serveralivecountmax", "serveraliveinterval", "tcpkeepalive",
}

// A jumpReader parses a command of the form "ssh -W %h:%p …".
type jumpReader struct{ host, user, port, forward string }

// jumpOf returns the [user@]host[:port] that a command of the form "ssh -W %h:%p …"
// connects through; false if the command does more.
func jumpOf(command string) (string, bool) {
	words, err := shellWords(command, false)
	if err == nil && len(words) > 0 && words[0].Text == "exec" {
		words = words[1:]
	}
	if err != nil || len(words) < 2 || path.Base(words[0].Text) != "ssh" {
		return "", false
	}
	var r jumpReader
	for words = words[1:]; len(words) > 0; {
		option := words[0].Text
		words = words[1:]
		if option == "" || option[0] != '-' {
			if r.host != "" {
				return "", false
			}
			r.host = strings.TrimPrefix(option, "ssh://")
			continue
		}
		letter, value := sshOption(option[1:])
		if letter == 0 {
			if strings.Trim(option[1:], sshFlags) != "" {
				return "", false
			}
			continue
		}
		if value == "" && len(words) > 0 {
			value, words = words[0].Text, words[1:]
		}
		if !r.option(letter, value) {
			return "", false
		}
	}
	return r.jump()
}

// option reads one option, and reports whether a jump can have it.
func (r *jumpReader) option(letter byte, value string) bool {
	keyword := ""
	if letter == 'o' {
		keyword, value = splitKeyword(value)
	}
	switch {
	case letter == 'W':
		r.forward = value
	case letter == 'l' || keyword == "user":
		if r.user == "" { // of ssh's options the first counts
			r.user = value + "@"
		}
	case letter == 'p' || keyword == "port":
		if r.port == "" {
			r.port = ":" + value
		}
	case keyword == "stricthostkeychecking":
		return value == "yes" || value == "ask"
	default:
		return slices.Contains(idleOptions, keyword)
	}
	return true
}

func (r *jumpReader) jump() (string, bool) {
	if r.host == "" || r.forward != "%h:%p" && r.forward != "[%h]:%p" {
		return "", false
	}
	if strings.Contains(r.host, "@") {
		r.user = ""
	}
	return r.user + r.host + r.port, true
}
