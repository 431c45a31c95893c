package inventory

import (
	"strings"

	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
)

// An sshCondition says whether a block counts.
type sshCondition interface {
	holds(w *sshWalk) bool
}

// An sshPattern is a wildcard that may be negated.
type sshPattern struct {
	text    string
	negated bool
	literal bool
}

func newSSHPattern(text string) sshPattern {
	text, negated := strings.CutPrefix(text, "!")
	return sshPattern{text: text, negated: negated, literal: !strings.ContainsAny(text, "*?")}
}

func (p *sshPattern) match(name string) bool {
	if p.literal {
		return p.text == name
	}
	// Most patterns are told by how they begin.
	if c := p.text[0]; c != '*' && c != '?' && (name == "" || c != name[0]) {
		return false
	}
	return hostlist.Match(p.text, name)
}

// parseSSHPatterns reads a list with commas.
func parseSSHPatterns(list string, lower bool) []sshPattern {
	if lower {
		list = strings.ToLower(list)
	}
	var patterns []sshPattern
	for text := range strings.SplitSeq(strings.TrimSuffix(list, ","), ",") {
		patterns = append(patterns, newSSHPattern(text))
	}
	return patterns
}

// matchSSHPatterns reports whether one of the patterns matches, and none of the
// negated ones.
func matchSSHPatterns(patterns []sshPattern, name string) bool {
	found := false
	for i := range patterns {
		if !patterns[i].match(name) {
			continue
		}
		if patterns[i].negated {
			return false
		}
		found = true
	}
	return found
}

// sshHosts is the condition of a Host line.
type sshHosts []sshPattern

func (c sshHosts) holds(w *sshWalk) bool { return matchSSHPatterns(c, w.host) }

// sshTests is the condition of a Match line: all of them.
type sshTests []sshTest

func (c sshTests) holds(w *sshWalk) bool {
	for i := range c {
		if !c[i].holds(w) {
			return false
		}
	}
	return true
}

// sshNever is a condition that nobody here can judge.
type sshNever struct{}

func (sshNever) holds(*sshWalk) bool { return false }

// An sshTest is one criterion of a Match line.
type sshTest struct {
	subject  sshSubject
	negated  bool
	patterns []sshPattern
}

// An sshSubject is what a criterion looks at.
type sshSubject int

const (
	sshAll sshSubject = iota
	sshFinal
	sshHostSubject
	sshOriginalHost
	sshUserSubject
	sshLocalUser
)

var sshSubjects = map[string]sshSubject{
	"all": sshAll, "final": sshFinal, "canonical": sshFinal,
	"host": sshHostSubject, "originalhost": sshOriginalHost, "user": sshUserSubject, "localuser": sshLocalUser,
}

// sshNeverSubjects are criteria that are not judged, and whether they have an
// argument.
var sshNeverSubjects = map[string]bool{
	"exec": true, "localnetwork": true, "tagged": true, "version": true, "sessiontype": true, "command": true,
}

func (t *sshTest) holds(w *sshWalk) bool {
	yes := true
	switch t.subject {
	case sshAll:
	case sshFinal:
		yes = w.final
	case sshHostSubject:
		yes = matchSSHPatterns(t.patterns, strings.ToLower(w.hostName()))
	case sshOriginalHost:
		yes = matchSSHPatterns(t.patterns, strings.ToLower(w.query.Name))
	case sshUserSubject:
		yes = matchSSHPatterns(t.patterns, w.user())
	case sshLocalUser:
		yes = matchSSHPatterns(t.patterns, w.config.opts.User)
	}
	return yes != t.negated
}

// hostCondition reads a Host line.
func (p *sshParser) hostCondition(l *sshLine) sshCondition {
	c := make(sshHosts, 0, len(l.args))
	for _, arg := range l.args {
		pattern := newSSHPattern(arg)
		if arg == "" {
			p.errorf(l, "Host: an empty pattern")
			return sshNever{}
		}
		c = append(c, pattern)
	}
	return c
}

// matchCondition reads a Match line.
func (p *sshParser) matchCondition(l *sshLine) sshCondition {
	var tests sshTests
	never := false
	rest := l.rest
	for rest != "" {
		var word string
		if word, rest, _ = cutSSHWord(rest); word == "" || word[0] == '#' {
			break
		}
		name, negated := strings.CutPrefix(word, "!")
		name = strings.ToLower(name)
		test := sshTest{negated: negated}
		subject, known := sshSubjects[name]
		test.subject = subject
		switch {
		case !known && !sshNeverSubjects[name]:
			p.unknownCriterion(l, word, name)
			return sshNever{}
		case known && subject == sshAll:
			if next, _, _ := cutSSHWord(rest); len(tests) > 1 || next != "" && next[0] != '#' {
				p.errorf(l, "Match: all stands alone")
				return sshNever{}
			}
			return orNever(append(tests, test), never)
		case known && subject == sshFinal:
			p.config.final = p.config.final || name == "final"
			tests = append(tests, test)
			continue
		}
		var arg string
		if arg, rest, _ = cutSSHWord(rest); arg == "" || arg[0] == '#' {
			p.errorf(l, "Match: what follows %s is missing", word)
			return sshNever{}
		}
		if !known {
			p.warnf(l, "match "+name, "Match %s is not supported: what stands under it is left out", name)
			never = true
		}
		test.patterns = parseSSHPatterns(arg, subject == sshHostSubject || subject == sshOriginalHost)
		tests = append(tests, test)
	}
	if len(tests) == 0 {
		p.errorf(l, "Match: the condition is missing")
	}
	return orNever(tests, never)
}

func (p *sshParser) unknownCriterion(l *sshLine, word, name string) {
	known := make([]string, 0, len(sshSubjects))
	for subject := range sshSubjects {
		known = append(known, subject)
	}
	near := yamltree.Nearest(name, known)
	if near != "" {
		near = "; did you mean " + near + "?"
	}
	p.errorf(l, "Match: unknown condition %q%s", word, near)
}

func orNever(tests sshTests, never bool) sshCondition {
	if never {
		return sshNever{}
	}
	return tests
}
