package knownhosts

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" // the hash that known_hosts prescribes for names
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// defaultPort is the port that known_hosts leaves out.
const defaultPort = 22

// A knownKey is one line of a known_hosts file.
type knownKey struct {
	file string
	line int    // 0: added in this run
	kind string // the type of the key
	blob string // the key as it goes over the wire
}

func (k *knownKey) where() string {
	if k.line == 0 {
		return k.file
	}
	return fmt.Sprintf("%s:%d", k.file, k.line)
}

// An index is the content of known_hosts files, arranged so that a lookup does not slow
// down with their size. Keys are compared as bytes and never decoded: a key type that
// is unknown here does no harm.
type index struct {
	names   map[string][]*knownKey
	globs   []globLine
	hashed  map[string][]hashedLine // by blob
	types   map[string]bool         // of the keys in hashed
	revoked map[string][]nameMatch  // by blob

	authorities []authority
}

// A nameMatch says whether a line is about a host. The name is as Name
// writes it.
type nameMatch interface{ match(name string) bool }

// A globLine is a line with wildcards or negations.
type globLine struct {
	patterns []string
	key      *knownKey
}

// A hashedLine is a line whose name is hidden behind a hash.
type hashedLine struct {
	salt, sum []byte
	key       *knownKey
}

func newIndex() *index {
	return &index{
		names:   map[string][]*knownKey{},
		hashed:  map[string][]hashedLine{},
		types:   map[string]bool{},
		revoked: map[string][]nameMatch{},
	}
}

// add reads a file. A line that cannot be read is reported to warn and left
// out.
func (k *index) add(file string, data []byte, warn func(string)) {
	k.read(file, data, func(number int, err error) {
		warn(fmt.Sprintf("%s:%d: %v; the line is ignored", file, number, err))
	})
}

// read is add that passes lines that cannot be read to bad.
func (k *index) read(file string, data []byte, bad func(number int, err error)) {
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if err := k.addLine(file, number, string(line)); err != nil {
			bad(number, err)
		}
	}
}

// firstBad is how many bad lines of a file a warning names.
const firstBad = 3

// badLines are the lines of a file that cannot be read: how many, and the first.
type badLines struct {
	count int
	first []badLine
}

type badLine struct {
	number int
	err    error
}

func (b *badLines) add(number int, err error) {
	if b.count++; b.count <= firstBad {
		b.first = append(b.first, badLine{number, err})
	}
}

// warn passes one text about all lines to warn; nothing if there are none.
func (b *badLines) warn(file string, warn func(string)) {
	switch b.count {
	case 0:
	case 1:
		warn(fmt.Sprintf("%s:%d: %v; the line is ignored", file, b.first[0].number, b.first[0].err))
	default:
		places := make([]string, len(b.first))
		for i, line := range b.first {
			places[i] = fmt.Sprintf("line %d: %v", line.number, line.err)
		}
		if b.count > len(places) {
			places = append(places, fmt.Sprintf("and %d more", b.count-len(places)))
		}
		warn(fmt.Sprintf("%s: %d lines are ignored: %s", file, b.count, strings.Join(places, "; ")))
	}
}

func (k *index) addLine(file string, number int, line string) error {
	fields := strings.Fields(line)
	if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
		return nil
	}
	marker := ""
	if strings.HasPrefix(fields[0], "@") {
		marker, fields = fields[0], fields[1:]
	}
	if len(fields) < 3 {
		return errors.New("not a host, a key type and a key")
	}
	blob, err := keyBlob(fields[1], fields[2])
	if err != nil {
		return err
	}
	key := &knownKey{file: file, line: number, kind: fields[1], blob: blob}
	hosts, err := parseHosts(fields[0])
	if err != nil {
		return err
	}
	switch marker {
	case "":
		k.insert(hosts, key)
	case "@revoked":
		k.revoked[blob] = append(k.revoked[blob], hosts.matcher(key))
	case "@cert-authority":
		// The key of an authority is not a host's own.
		k.authorities = append(k.authorities, authority{hosts.matcher(key), blob})
	default:
		return errors.New("an unknown marker")
	}
	return nil
}

// hostField is the first field of a line: either a hash or patterns.
type hostField struct {
	patterns  []string
	salt, sum []byte
}

func parseHosts(field string) (hostField, error) {
	if !strings.HasPrefix(field, "|") {
		return hostField{patterns: strings.Split(strings.ToLower(field), ",")}, nil
	}
	parts := strings.Split(field, "|")
	if len(parts) != 4 || parts[1] != "1" {
		return hostField{}, errors.New("unknown form of a hashed name")
	}
	salt, err1 := base64.StdEncoding.DecodeString(parts[2])
	sum, err2 := base64.StdEncoding.DecodeString(parts[3])
	if err1 != nil || err2 != nil || len(sum) != sha1.Size {
		return hostField{}, errors.New("a hashed name that cannot be decoded")
	}
	return hostField{salt: salt, sum: sum}, nil
}

func (h hostField) matcher(key *knownKey) nameMatch {
	if h.sum != nil {
		return hashedLine{h.salt, h.sum, key}
	}
	return globLine{h.patterns, key}
}

func (k *index) insert(h hostField, key *knownKey) {
	if h.sum != nil {
		k.hashed[key.blob] = append(k.hashed[key.blob], hashedLine{h.salt, h.sum, key})
		k.types[key.kind] = true
		return
	}
	for _, p := range h.patterns {
		if strings.ContainsAny(p, "*?!") {
			k.globs = append(k.globs, globLine{h.patterns, key})
			return
		}
	}
	for _, name := range h.patterns {
		if keys := k.names[name]; !slices.Contains(keys, key) {
			k.names[name] = append(keys, key)
		}
	}
}

// plain returns the keys that lines with readable names hold for name.
func (k *index) plain(name string) []*knownKey {
	keys := k.names[name]
	for _, g := range k.globs {
		if g.match(name) {
			keys = append(keys[:len(keys):len(keys)], g.key)
		}
	}
	return keys
}

// hidden reports whether a hashed line holds blob for name. Only the lines
// with that very key are tried.
func (k *index) hidden(name, blob string) bool {
	for _, l := range k.hashed[blob] {
		if l.match(name) {
			return true
		}
	}
	return false
}

// scan returns the keys that hashed lines hold for name. It tries every one of
// them.
func (k *index) scan(name string) []*knownKey {
	var keys []*knownKey
	for _, lines := range k.hashed {
		for _, l := range lines {
			if l.match(name) {
				keys = append(keys, l.key)
			}
		}
	}
	return keys
}

// isRevoked reports whether a line revokes blob for one of names.
func (k *index) isRevoked(names []string, blob string) bool {
	for _, m := range k.revoked[blob] {
		for _, name := range names {
			if m.match(name) {
				return true
			}
		}
	}
	return false
}

func (g globLine) match(name string) bool {
	found := false
	for _, p := range g.patterns {
		pattern, negated := strings.CutPrefix(p, "!")
		if !Match(pattern, name) {
			continue
		}
		if negated {
			return false
		}
		found = true
	}
	return found
}

func (h hashedLine) match(name string) bool {
	mac := hmac.New(sha1.New, h.salt)
	mac.Write([]byte(name))
	return hmac.Equal(mac.Sum(nil), h.sum)
}

// Match reports whether s matches a pattern of ssh: * stands for any characters and ?
// for one. After a mismatch it backtracks to the last star only, so that the time is at
// most quadratic.
func Match(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// keyBlob decodes a key and checks that it has the type kind.
func keyBlob(kind, text string) (string, error) {
	blob, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", errors.New("a key that is not base64")
	}
	if len(blob) < 4 {
		return "", errors.New("a key that is cut off")
	}
	n := uint64(binary.BigEndian.Uint32(blob))
	if uint64(len(blob)) < 4+n || string(blob[4:4+n]) != kind {
		return "", errors.New("a key of another type than its line says")
	}
	if !wholeKey(kind, blob[4+n:]) {
		return "", errors.New("a key that is cut off or damaged")
	}
	return string(blob), nil
}

// Name is how known_hosts writes a host and its port.
func Name(host string, port int) string {
	host = strings.ToLower(host)
	if port == defaultPort {
		return host
	}
	return "[" + host + "]:" + strconv.Itoa(port)
}

// encode is how known_hosts writes a key.
func encode(blob []byte) string { return base64.StdEncoding.EncodeToString(blob) }
