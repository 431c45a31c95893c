package sshconfig

import (
	"strings"

	"tutti/internal/hostlist"
	"tutti/internal/yamltree"
)

// A condition decides whether a block applies.
type condition interface {
	holds(w *walker) bool
}

// A pattern is a wildcard that may be negated.
type pattern struct {
	text    string
	negated bool
	literal bool
}

func newPattern(text string) pattern {
	text, negated := strings.CutPrefix(text, "!")
	return pattern{text: text, negated: negated, literal: !strings.ContainsAny(text, "*?")}
}

func (p *pattern) match(name string) bool {
	if p.literal {
		return p.text == name
	}
	// The first character excludes most patterns.
	if c := p.text[0]; c != '*' && c != '?' && (name == "" || c != name[0]) {
		return false
	}
	return hostlist.Match(p.text, name)
}

// parsePatterns reads a list with commas.
func parsePatterns(list string, lower bool) []pattern {
	if lower {
		list = strings.ToLower(list)
	}
	var patterns []pattern
	for text := range strings.SplitSeq(strings.TrimSuffix(list, ","), ",") {
		patterns = append(patterns, newPattern(text))
	}
	return patterns
}

// matchPatterns reports whether one of the patterns matches, and none of the
// negated ones.
func matchPatterns(patterns []pattern, name string) bool {
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

// hostPatterns is the condition of a Host line.
type hostPatterns []pattern

func (c hostPatterns) holds(w *walker) bool { return matchPatterns(c, w.host) }

// criteria is the condition of a Match line: all of them.
type criteria []criterion

func (c criteria) holds(w *walker) bool {
	for i := range c {
		if !c[i].holds(w) {
			return false
		}
	}
	return true
}

// unsupported is a condition that tutti cannot evaluate.
type unsupported struct{}

func (unsupported) holds(*walker) bool { return false }

// A criterion is one criterion of a Match line.
type criterion struct {
	subject  subject
	negated  bool
	patterns []pattern
}

// A subject is what a criterion looks at.
type subject int

const (
	subjectAll subject = iota
	subjectFinal
	subjectHost
	subjectOriginalHost
	subjectUser
	subjectLocalUser
)

var subjects = map[string]subject{
	"all": subjectAll, "final": subjectFinal, "canonical": subjectFinal,
	"host": subjectHost, "originalhost": subjectOriginalHost, "user": subjectUser, "localuser": subjectLocalUser,
}

// unsupportedSubjects are criteria that are not evaluated, and whether they have an
// argument.
var unsupportedSubjects = map[string]bool{
	"exec": true, "localnetwork": true, "tagged": true, "version": true, "sessiontype": true, "command": true,
}

func (t *criterion) holds(w *walker) bool {
	yes := true
	switch t.subject {
	case subjectAll:
	case subjectFinal:
		yes = w.final
	case subjectHost:
		yes = matchPatterns(t.patterns, strings.ToLower(w.hostName()))
	case subjectOriginalHost:
		yes = matchPatterns(t.patterns, strings.ToLower(w.query.Name))
	case subjectUser:
		yes = matchPatterns(t.patterns, w.user())
	case subjectLocalUser:
		yes = matchPatterns(t.patterns, w.config.opts.User)
	}
	return yes != t.negated
}

// hostCondition reads a Host line.
func (p *parser) hostCondition(l *sourceLine) condition {
	c := make(hostPatterns, 0, len(l.args))
	for _, arg := range l.args {
		pattern := newPattern(arg)
		if arg == "" {
			p.errorf(l, "Host: empty pattern")
			return unsupported{}
		}
		c = append(c, pattern)
	}
	return c
}

// matchCondition reads a Match line.
func (p *parser) matchCondition(l *sourceLine) condition {
	var tests criteria
	never := false
	rest := l.rest
	for rest != "" {
		var word string
		if word, rest, _ = cutWord(rest); word == "" || word[0] == '#' {
			break
		}
		name, negated := strings.CutPrefix(word, "!")
		name = strings.ToLower(name)
		test := criterion{negated: negated}
		subject, known := subjects[name]
		test.subject = subject
		switch {
		case !known && !unsupportedSubjects[name]:
			p.unknownCriterion(l, word, name)
			return unsupported{}
		case known && subject == subjectAll:
			if next, _, _ := cutWord(rest); len(tests) > 1 || next != "" && next[0] != '#' {
				p.errorf(l, "Match: all cannot be combined with other conditions")
				return unsupported{}
			}
			return orNever(append(tests, test), never)
		case known && subject == subjectFinal:
			p.config.final = p.config.final || name == "final"
			tests = append(tests, test)
			continue
		}
		var arg string
		if arg, rest, _ = cutWord(rest); arg == "" || arg[0] == '#' {
			p.errorf(l, "Match: %s needs an argument", word)
			return unsupported{}
		}
		if !known {
			p.warnf(l, "match "+name, "Match %s is not supported: its block is skipped", name)
			never = true
		}
		test.patterns = parsePatterns(arg, subject == subjectHost || subject == subjectOriginalHost)
		tests = append(tests, test)
	}
	if len(tests) == 0 {
		p.errorf(l, "Match: missing condition")
	}
	return orNever(tests, never)
}

func (p *parser) unknownCriterion(l *sourceLine, word, name string) {
	known := make([]string, 0, len(subjects))
	for subject := range subjects {
		known = append(known, subject)
	}
	near := yamltree.Nearest(name, known)
	if near != "" {
		near = "; did you mean " + near + "?"
	}
	p.errorf(l, "Match: unknown condition %q%s", word, near)
}

func orNever(tests criteria, never bool) condition {
	if never {
		return unsupported{}
	}
	return tests
}
