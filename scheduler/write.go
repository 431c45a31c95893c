package scheduler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"tutti/internal/quantity"
	"tutti/internal/yamltree"
)

// A tree is a value to write as YAML or JSON: a text, a list of texts, or a mapping.
// The zero value is no value, which is left out.
type tree struct {
	text   *string
	bare   bool // a number, true or false
	plain  bool // a text that may stand without quotes in YAML though it looks like a number or a bool
	list   []string
	fields []treeField
}

type treeField struct {
	key   string
	value tree
}

// text returns a text, or the zero tree if it is empty.
func text(s string) tree {
	if s == "" {
		return tree{}
	}
	return tree{text: &s}
}

// given returns the values of an option. This package does not know the types of
// options, so that every value that is plainly a number or a bool has no quotes.
func given(values []string) tree {
	t := oneOrMore(values)
	t.plain = len(values) == 1 && plain.MatchString(values[0])
	return t
}

var plain = regexp.MustCompile(`^(true|false|0|[1-9][0-9]{0,8})$`)

func bare(s string) tree { return tree{text: &s, bare: true} }

// oneOrMore is a text, or a list of several.
func oneOrMore(list []string) tree {
	if len(list) == 1 {
		return tree{text: &list[0]}
	}
	return tree{list: list}
}

func (t tree) isZero() bool { return t.text == nil && t.list == nil && t.fields == nil }

func (n Notify) tree() tree {
	if n.isZero() {
		return tree{}
	}
	on := make([]string, 0, len(n.On))
	for _, o := range n.On {
		on = append(on, o.String())
	}
	return mapping(
		treeField{"on", tree{list: on}},
		treeField{"webhook", text(n.Webhook)},
		treeField{"secret_file", text(n.SecretFile)},
		treeField{"command", text(n.Command)},
	)
}

func (k Keep) tree() tree {
	fields := make([]treeField, 0, 3)
	if k.Age > 0 {
		fields = append(fields, treeField{"age", text(quantity.FormatDuration(k.Age))})
	}
	if k.Runs > 0 {
		fields = append(fields, treeField{"runs", bare(fmt.Sprint(k.Runs))})
	}
	if k.Size > 0 {
		fields = append(fields, treeField{"size", text(quantity.ExactSize(k.Size))})
	}
	return mapping(fields...)
}

// mapping is a mapping of the fields that are something.
func mapping(fields ...treeField) tree {
	fields = slices.DeleteFunc(fields, func(f treeField) bool { return f.value.isZero() })
	if len(fields) == 0 {
		return tree{}
	}
	return tree{fields: fields}
}

// tree is the job as a mapping; short leaves out what is the default.
func (j *Job) tree(short bool) tree {
	standard := NewJob(j.Name, "")
	var fields []treeField
	add := func(key string, value, usual tree) {
		if value.isZero() || short && value.json() == usual.json() {
			return
		}
		fields = append(fields, treeField{key, value})
	}
	for _, k := range jobKeys {
		add(k.name, k.write(j), k.write(&standard))
	}
	for _, key := range slices.Sorted(maps.Keys(j.Options)) {
		add(key, given(j.Options[key]), given(standard.Options[key]))
	}
	return mapping(fields...)
}

// MarshalJSON writes the job's keys as in a file, defaults included, and its name, but
// not its version.
func (j Job) MarshalJSON() ([]byte, error) {
	t := j.tree(false)
	t.fields = append([]treeField{{"name", text(j.Name)}}, t.fields...)
	return []byte(t.json()), nil
}

// UnmarshalJSON reads what MarshalJSON wrote. It accepts any option, and checks only
// the form of values: Validate does the rest.
func (j *Job) UnmarshalJSON(data []byte) error {
	root, err := yamltree.Parse("job", data)
	if err != nil {
		return err
	}
	if root.Kind() != yamltree.Map {
		return fmt.Errorf("job: want a mapping, got %s", root.Kind())
	}
	*j = NewJob("", "")
	r := &jobReader{rules: &Rules{}, what: "job", bad: make(map[string]bool)}
	for key, value := range root.Fields() {
		r.key = key.Text()
		i := slices.IndexFunc(jobKeys, func(k jobKey) bool { return k.name == r.key })
		switch {
		case r.key == "name":
			j.Name = r.text(value)
		case i >= 0:
			jobKeys[i].read(r, j, value)
		default:
			j.Options[r.key] = r.texts(value)
		}
	}
	return r.problems.Err()
}

// WriteJobs writes a file from which [ReadJobs] reads the same jobs, apart from their
// versions. Defaults are left out, except the zone.
func WriteJobs(w io.Writer, jobs []Job) error {
	var b bytes.Buffer
	if len(jobs) == 0 {
		b.WriteString("jobs: {}\n")
	} else {
		b.WriteString("jobs:\n")
	}
	for i := range jobs {
		fmt.Fprintf(&b, "  %s:\n", scalar(jobs[i].Name))
		for _, f := range jobs[i].tree(true).fields {
			if f.value.text != nil && isBlock(*f.value.text) {
				writeBlock(&b, f.key, *f.value.text)
				continue
			}
			fmt.Fprintf(&b, "    %s: %s\n", f.key, f.value.yaml())
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// yaml is the value on one line.
func (t tree) yaml() string {
	var parts []string
	switch {
	case t.text != nil && (t.bare || t.plain):
		return *t.text
	case t.text != nil:
		return scalar(*t.text)
	case t.fields != nil:
		for _, f := range t.fields {
			parts = append(parts, f.key+": "+f.value.yaml())
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	for _, item := range t.list {
		parts = append(parts, scalar(item))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

var (
	// unquoted is what needs no quotes anywhere in YAML, unless it is noText.
	unquoted = regexp.MustCompile(`^[A-Za-z0-9_/][A-Za-z0-9_./-]*( [A-Za-z0-9_/-][A-Za-z0-9_./-]*)*$`)
	// noText is what YAML 1.1 or 1.2 takes for nothing, a yes or no, a number or
	// a date.
	noText = regexp.MustCompile(`(?i)^(null|y|yes|n|no|true|false|on|off|` +
		`[0-9][0-9_]*(\.[0-9_]*)?(e[+-]?[0-9_]+)?|0x[0-9a-f_]+|0o[0-7_]+|0b[01_]+|` +
		`[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*)$`)
)

// scalar is s as YAML.
func scalar(s string) string {
	if unquoted.MatchString(s) && !noText.MatchString(s) {
		return s
	}
	return quoted(s)
}

// quoted is s in quotes that mean the same in YAML and, for what can be in a
// job, in JSON.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteRune('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c == 0x7f || c <= 0xffff && !unicode.IsPrint(c):
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// isBlock reports whether s is lines that YAML can hold as they are.
func isBlock(s string) bool {
	body := strings.TrimSuffix(s, "\n")
	if !strings.Contains(s, "\n") || body == "" || strings.HasSuffix(body, "\n") || strings.ContainsAny(s[:1], " \t\n") {
		return false
	}
	for line := range strings.Lines(s) {
		if line = strings.TrimSuffix(line, "\n"); strings.TrimRight(line, " \t") != line {
			return false
		}
	}
	return !strings.ContainsFunc(s, func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) })
}

// writeBlock writes lines as a block; |- says that the last line has no newline.
func writeBlock(b *bytes.Buffer, key, s string) {
	sign := "|-"
	if strings.HasSuffix(s, "\n") {
		sign = "|"
	}
	fmt.Fprintf(b, "    %s: %s\n", key, sign)
	for line := range strings.Lines(strings.TrimSuffix(s, "\n") + "\n") {
		if line != "\n" {
			b.WriteString("      ")
		}
		b.WriteString(line)
	}
}

// json is the value as JSON.
func (t tree) json() string {
	var parts []string
	switch {
	case t.text != nil && t.bare:
		return *t.text
	case t.text != nil:
		return jsonText(*t.text)
	case t.list != nil:
		for _, item := range t.list {
			parts = append(parts, jsonText(item))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	for _, f := range t.fields {
		parts = append(parts, jsonText(f.key)+":"+f.value.json())
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func jsonText(s string) string {
	out, err := json.Marshal(s)
	if err != nil {
		panic(err) // no text is beyond JSON
	}
	return string(out)
}
