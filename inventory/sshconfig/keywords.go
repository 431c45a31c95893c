package sshconfig

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tutti/internal/hostkeys"
)

// keywordNames are suggestions for a misspelt keyword.
var keywordNames = sync.OnceValue(func() []string {
	names := []string{"host", "match", "include", "ignoreunknown"}
	names = slices.AppendSeq(names, maps.Keys(rowsByName))
	return slices.Sorted(slices.Values(slices.AppendSeq(names, maps.Keys(harmlessKeywords))))
})

var (
	errNoValue = errors.New("missing value")
	errExtra   = errors.New("want one value; a value with spaces needs quotes")
)

// readWord reads a single word.
func readWord(l *sourceLine, d *directive) error {
	switch {
	case len(l.args) == 0 || l.args[0] == "":
		return errNoValue
	case len(l.args) > 1:
		return errExtra
	}
	d.text = l.args[0]
	return nil
}

// readRest reads the rest of the line, of a keyword that only leads to a warning.
func readRest(l *sourceLine, d *directive) error {
	d.text = strings.Join(l.args, " ")
	return nil
}

// readSendEnv reads patterns of names of variables; one with - in front takes
// away.
func readSendEnv(l *sourceLine, d *directive) error {
	for _, arg := range l.args {
		if arg == "" || strings.Contains(arg, "=") {
			return fmt.Errorf("%q is not a variable name", arg)
		}
	}
	d.list, d.text = l.args, strings.Join(l.args, " ")
	return nil
}

// readSetEnv reads variables. Their values are shown nowhere: they may be
// secrets.
func readSetEnv(l *sourceLine, d *directive) error {
	names := make([]string, len(l.args))
	for i, arg := range l.args {
		name, _, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return errors.New("want NAME=VALUE")
		}
		names[i] = name
	}
	d.list, d.text = l.args, strings.Join(names, " ")
	return nil
}

// readPort reads the number of a port, or the name of a service.
func readPort(l *sourceLine, d *directive) error {
	if err := readWord(l, d); err != nil {
		return err
	}
	n, err := strconv.Atoi(d.text)
	if err != nil {
		n, _ = net.LookupPort("tcp", d.text) // 0 after an error
	}
	if n < 1 || n > math.MaxUint16 {
		return fmt.Errorf("%q: want a port from 1 to 65535", d.text)
	}
	d.number, d.text = n, strconv.Itoa(n)
	return nil
}

// readYesNo reads a switch.
func readYesNo(l *sourceLine, d *directive) error {
	if err := readWord(l, d); err != nil {
		return err
	}
	switch strings.ToLower(d.text) {
	case "yes", "true":
		d.number, d.text = 1, "yes"
	case "no", "false":
		d.number, d.text = 0, "no"
	default:
		return fmt.Errorf("%q: want yes or no", d.text)
	}
	return nil
}

// hostKeyModes are the words of StrictHostKeyChecking. Ask means refuse here: an
// operator cannot answer for each of many hosts.
var hostKeyModes = map[string]hostkeys.Mode{
	"yes": hostkeys.Strict, "true": hostkeys.Strict, "ask": hostkeys.Strict, "accept-new": hostkeys.AcceptNew, "no": hostkeys.Off, "false": hostkeys.Off, "off": hostkeys.Off,
}

func readHostKeys(l *sourceLine, d *directive) error {
	if err := readWord(l, d); err != nil {
		return err
	}
	mode, ok := hostKeyModes[strings.ToLower(d.text)]
	if !ok {
		return fmt.Errorf("%q: want yes, ask, accept-new or no", d.text)
	}
	d.number = int(mode)
	return nil
}

// unset is the number of an unset time, which a later line may still set.
const unset = -1

// readTime reads seconds, or a time such as 1h30m.
func readTime(l *sourceLine, d *directive) error {
	if err := readWord(l, d); err != nil {
		return err
	}
	if d.text == "none" {
		d.number = unset
		return nil
	}
	n, ok := parseTime(d.text)
	if !ok {
		return fmt.Errorf("%q: want a time such as 30, 5m or 1h30m", d.text)
	}
	d.number = n
	return nil
}

var timeUnits = map[byte]int{'s': 1, 'm': 60, 'h': 3600, 'd': 24 * 3600, 'w': 7 * 24 * 3600}

// parseTime returns seconds.
func parseTime(text string) (int, bool) {
	total := 0
	for text != "" {
		digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
		n, err := strconv.ParseInt(text[:digits], 10, 32)
		if err != nil {
			return 0, false
		}
		text = text[digits:]
		unit := 1
		if text != "" {
			if unit = timeUnits[text[0]|0x20]; unit == 0 {
				return 0, false
			}
			text = text[1:]
		}
		if total += int(n) * unit; total > math.MaxInt32 {
			return 0, false
		}
	}
	return total, true
}

// seconds is a time as d has it.
func (d *directive) seconds() time.Duration { return time.Duration(d.number) * time.Second }

// controlModes are the words of ControlMaster, and whether they share connections.
var controlModes = map[string]bool{"yes": true, "true": true, "ask": true, "auto": true, "autoask": true, "no": false, "false": false}

func readControlMaster(l *sourceLine, d *directive) error {
	if err := readWord(l, d); err != nil {
		return err
	}
	shares, ok := controlModes[strings.ToLower(d.text)]
	if !ok {
		return fmt.Errorf("%q: want yes, no, ask, auto or autoask", d.text)
	}
	if shares {
		d.number = 1
	}
	return nil
}

// forever is, in seconds, a connection that stays open for any time.
const forever = 10 * 365 * 24 * 3600

// readPersist reads how long a connection stays open; 0 is for ever, as ssh has it.
func readPersist(l *sourceLine, d *directive) error {
	if err := readWord(l, d); err != nil {
		return err
	}
	switch strings.ToLower(d.text) {
	case "yes", "true":
		d.number = forever
		return nil
	case "no", "false":
		return nil
	}
	n, ok := parseTime(d.text)
	if !ok {
		return fmt.Errorf("%q: want yes, no, or a time such as 30, 5m or 1h30m", d.text)
	}
	if d.number = n; n == 0 {
		d.number = forever
	}
	return nil
}

// persist is how long connections stay open; 0: not at all.
func (v *match) persist() time.Duration {
	if v.number(kwControlMaster) == 0 {
		return 0
	}
	return v.seconds(kwControlPersist)
}

func readCount(l *sourceLine, d *directive) error {
	if err := readWord(l, d); err != nil {
		return err
	}
	n, err := strconv.ParseInt(d.text, 10, 32)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a number from 0", d.text)
	}
	d.number, d.text = int(n), strconv.FormatInt(n, 10)
	return nil
}

// readPaths reads several paths, or the word none alone.
func readPaths(l *sourceLine, d *directive) error {
	if len(l.args) == 0 {
		return errNoValue
	}
	for _, arg := range l.args {
		if arg == "" {
			return errors.New("an empty path")
		}
		if len(l.args) > 1 && strings.EqualFold(arg, "none") {
			return errors.New("none cannot be combined with others")
		}
	}
	d.list = l.args
	d.text = strings.Join(l.args, " ")
	return nil
}

// readCommand takes the rest of the line as it is.
func readCommand(l *sourceLine, d *directive) error {
	d.text = strings.TrimLeft(l.rest, spaces+"=")
	if d.text == "" {
		return errNoValue
	}
	return nil
}

// readJump reads hosts to go through.
func readJump(l *sourceLine, d *directive) error {
	text, _, _ := strings.Cut(strings.TrimLeft(l.rest, spaces+"="), "#")
	text = strings.TrimRight(text, spaces)
	if text == "" {
		return errNoValue
	}
	if strings.EqualFold(text, "none") {
		d.text = "none"
		return nil
	}
	hops := strings.Split(text, ",")
	for i, hop := range hops {
		word, err := parseJump(hop)
		if err != nil {
			return err
		}
		hops[i] = word
	}
	d.text = strings.Join(hops, ",")
	return nil
}

// parseJump checks one [user@]host[:port], or ssh://[user@]host[:port], and
// returns it in the first form.
func parseJump(hop string) (string, error) {
	word, isURI := strings.CutPrefix(strings.TrimLeft(hop, spaces), "ssh://")
	if isURI {
		word = strings.TrimSuffix(word, "/")
	}
	bad := func(why string) (string, error) {
		return "", fmt.Errorf("%q: want [user@]host[:port]: %s", hop, why)
	}
	at := strings.LastIndexByte(word, '@')
	host, port, hasPort := word[at+1:], "", false
	if rest, ok := strings.CutPrefix(host, "["); ok {
		inner, after, closed := strings.Cut(rest, "]")
		if !closed {
			return bad("unclosed bracket")
		}
		if host = inner; after != "" {
			if port, hasPort = strings.CutPrefix(after, ":"); !hasPort {
				return bad("only a port may follow the brackets")
			}
		}
	} else {
		host, port, hasPort = strings.Cut(host, ":")
	}
	if n, err := strconv.Atoi(port); hasPort && (err != nil || n < 1 || n > math.MaxUint16) {
		if n, _ := net.LookupPort("tcp", port); n == 0 || port == "" {
			return bad("invalid port; an IPv6 address needs brackets")
		}
	}
	switch {
	case at == 0:
		return bad("missing user")
	case host == "":
		return bad("missing host")
	}
	return word, nil
}
