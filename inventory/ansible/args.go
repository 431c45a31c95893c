package ansible

import (
	"fmt"
	"slices"
	"strings"

	"tutti/internal/hostkeys"
	"tutti/internal/hostlist"
	"tutti/inventory/layer"
)

// sshArgs collects the settings in arguments that Ansible hands to ssh. As with
// ssh, the first value wins.
type sshArgs struct {
	inventory *Inventory
	list      layer.Values
}

// The options of ssh without a value, and those with a value that tutti does not use.
// Those that it uses are in sshLetters.
const (
	sshFlags  = "46AaCfGgKkMNnqsTtVvXxYy"
	sshValues = "BbcDEeILmOQRSWw"
)

// sshConfigFile stands for ssh's option -F, which has no keyword.
const sshConfigFile = "configfile"

// sshLetters are the options of ssh with another name for a keyword.
var sshLetters = map[byte]string{
	'J': "proxyjump", 'p': "port", 'l': "user", 'i': "identityfile", 'F': sshConfigFile,
}

// add takes the settings from one variable.
func (s *sshArgs) add(v *value) {
	if err := v.usable(); err != nil {
		s.setUnusable(v, err)
		return
	}
	words, mistake := shellWords(v.text, false)
	if mistake != nil {
		s.setUnusable(v, mistake)
		return
	}
	for len(words) > 0 {
		option := words[0].Text
		words = words[1:]
		if len(option) < 2 || option[0] != '-' {
			continue
		}
		letter, value := sshOption(option[1:])
		if letter == 0 {
			continue
		}
		if value == "" && len(words) > 0 {
			value, words = words[0].Text, words[1:]
		}
		keyword := sshLetters[letter]
		if letter == 'o' {
			keyword, value = splitKeyword(value)
		}
		if err := s.option(v, keyword, value); err != nil {
			s.setUnusable(v, err)
		}
	}
}

// setUnusable makes the hosts with these arguments unusable, by way of their jump
// setting, which most arguments are about.
func (s *sshArgs) setUnusable(v *value, err error) {
	s.set(v, layer.Value{Key: layer.KeyJump, Text: v.text, Unusable: fmt.Sprintf("%s: %v", variableNames[v.variable], err)})
}

// sshOption scans the letters behind one dash. It returns the one that takes a value, 0
// if none does, and the part of the value that follows in the same word.
func sshOption(letters string) (letter byte, value string) {
	for i := range len(letters) {
		c := letters[i]
		switch {
		case c == 'o' || sshLetters[c] != "" || strings.IndexByte(sshValues, c) >= 0:
			return c, letters[i+1:]
		case strings.IndexByte(sshFlags, c) < 0:
			return 0, ""
		}
	}
	return 0, ""
}

// splitKeyword splits what stands behind -o: KEYWORD=VALUE or KEYWORD VALUE.
func splitKeyword(text string) (keyword, value string) {
	text = strings.TrimSpace(text)
	i := strings.IndexAny(text, "= \t")
	if i < 0 {
		return strings.ToLower(text), ""
	}
	value = strings.TrimLeft(text[i:], " \t")
	value = strings.TrimLeft(strings.TrimPrefix(value, "="), " \t")
	if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
		value = value[1 : n-1]
	}
	return strings.ToLower(text[:i]), value
}

// set adds a setting unless there is an earlier one.
func (s *sshArgs) set(v *value, x layer.Value) {
	x.Origin = v.origin
	if s.list.Find(x.Key) == nil {
		s.list = append(s.list, x)
	}
}

// option takes one option.
func (s *sshArgs) option(v *value, keyword, value string) error {
	var x layer.Value
	var err error
	switch keyword {
	case "proxyjump":
		x, err = layer.ParseValue(layer.KeyJump, value)
	case "proxycommand":
		x, err = proxySetting(v, value)
	case "stricthostkeychecking":
		x, err = s.hostKeys(v, strings.ToLower(value))
	case "port":
		x, err = layer.ParseValue(layer.KeyPort, value)
	case "user":
		x, err = layer.ParseValue(layer.KeyUser, value)
	case "connecttimeout":
		if hostlist.IsNumber(value) {
			value += "s"
		}
		x, err = layer.ParseValue(layer.KeyConnectTimeout, value)
	case "identityfile":
		return s.identity(v, value)
	case "userknownhostsfile":
		if value != "/dev/null" && !strings.EqualFold(value, "none") {
			s.inventory.warnOnce(fmt.Sprintf("%s: %s: UserKnownHostsFile is ignored; set it in ssh_config", v.origin.Place(), variableNames[v.variable]))
		}
		return nil
	case sshConfigFile:
		s.inventory.warnOnce(fmt.Sprintf("%s: %s: ssh's option -F is ignored", v.origin.Place(), variableNames[v.variable]))
		return nil
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", keyword, err)
	}
	if x.Key != "" {
		s.set(v, x)
	}
	return nil
}

// identity adds a key file: of this option all values apply, not only the first.
func (s *sshArgs) identity(v *value, value string) error {
	file, err := layer.IdentityPath(value, v.source.dir)
	if err != nil {
		return fmt.Errorf("identityfile: %w", err)
	}
	i := slices.IndexFunc(s.list, func(x layer.Value) bool { return x.Key == layer.KeyIdentity })
	if i < 0 {
		s.set(v, layer.Value{Key: layer.KeyIdentity, Text: file, List: []string{file}})
		return nil
	}
	x := &s.list[i]
	x.List = append(x.List, file)
	x.Text = strings.Join(x.List, ", ")
	return nil
}

// hostKeys reads what ssh does with unknown host keys.
func (s *sshArgs) hostKeys(v *value, value string) (layer.Value, error) {
	mode := hostkeys.Strict
	switch value {
	case "yes", "true", "ask":
	case "accept-new":
		mode = hostkeys.AcceptNew
	case "no", "off", "false":
		if v.source.file.Trust != layer.Named {
			s.inventory.warnOnce(fmt.Sprintf("%s: %s: StrictHostKeyChecking=%s is ignored: the file was found, not named",
				v.origin.Place(), variableNames[v.variable], value))
			return layer.Value{}, nil
		}
		mode = hostkeys.Off
	default:
		return layer.Value{}, fmt.Errorf("%q: want yes, no or accept-new", value)
	}
	return layer.Value{Key: layer.KeyHostKeys, Text: mode.String(), Number: int(mode)}, nil
}
