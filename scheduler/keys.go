package scheduler

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tutti/internal/quantity"
	"tutti/internal/yamltree"
)

// A jobKey is a key of a job in jobs.yaml: how it is parsed, and how it is written.
type jobKey struct {
	name  string
	read  func(*jobReader, *Job, yamltree.Node)
	write func(*Job) tree
}

// jobKeys are in the order in which they are written, before the options.
var jobKeys = []jobKey{
	{
		"schedule", func(r *jobReader, j *Job, n yamltree.Node) { j.Schedules = r.texts(n) },
		func(j *Job) tree { return oneOrMore(j.Schedules) },
	},
	flagKey("seconds", func(j *Job) *bool { return &j.Seconds }),
	textKey("zone", func(j *Job) *string { return &j.Zone }),
	textKey("selector", func(j *Job) *string { return &j.Selector }),
	textKey("command", func(j *Job) *string { return &j.Command }),
	{
		"script", func(r *jobReader, j *Job, n yamltree.Node) { j.Script = r.path(r.text(n)) },
		func(j *Job) tree { return text(j.Script) },
	},
	{
		"inventory", func(r *jobReader, j *Job, n yamltree.Node) {
			for _, path := range r.texts(n) {
				j.Inventory = append(j.Inventory, r.path(path))
			}
		},
		func(j *Job) tree { return oneOrMore(j.Inventory) },
	},
	wordKey("overlap", overlapWords, func(j *Job) *Overlap { return &j.Overlap }),
	{
		"max_running", func(r *jobReader, j *Job, n yamltree.Node) { j.MaxRunning = r.count(n) },
		func(j *Job) tree { return bare(strconv.Itoa(j.MaxRunning)) },
	},
	durationKey("grace", func(j *Job) *time.Duration { return &j.Grace }),
	wordKey("catch_up", catchUpWords, func(j *Job) *CatchUp { return &j.CatchUp }),
	durationKey("jitter", func(j *Job) *time.Duration { return &j.Jitter }),
	flagKey("tutti_env", func(j *Job) *bool { return &j.TuttiEnv }),
	flagKey("idempotent", func(j *Job) *bool { return &j.Idempotent }),
	flagKey("paused", func(j *Job) *bool { return &j.Paused }),
	{"notify", readNotify, func(j *Job) tree { return j.Notify.tree() }},
	{"keep", readKeep, func(j *Job) tree { return j.Keep.tree() }},
}

func textKey(name string, at func(*Job) *string) jobKey {
	return jobKey{
		name,
		func(r *jobReader, j *Job, n yamltree.Node) { *at(j) = r.text(n) },
		func(j *Job) tree { return text(*at(j)) },
	}
}

func flagKey(name string, at func(*Job) *bool) jobKey {
	return jobKey{
		name,
		func(r *jobReader, j *Job, n yamltree.Node) { *at(j) = r.flag(n) },
		func(j *Job) tree { return bare(strconv.FormatBool(*at(j))) },
	}
}

func durationKey(name string, at func(*Job) *time.Duration) jobKey {
	return jobKey{
		name,
		func(r *jobReader, j *Job, n yamltree.Node) { *at(j) = r.duration(n) },
		func(j *Job) tree { return text(quantity.FormatDuration(*at(j))) },
	}
}

func wordKey[T ~int](name string, words []string, at func(*Job) *T) jobKey {
	return jobKey{
		name,
		func(r *jobReader, j *Job, n yamltree.Node) { *at(j) = T(r.word(n, words)) },
		func(j *Job) tree { return text(wordOf(words, int(*at(j)))) },
	}
}

func (r *jobReader) badf(n yamltree.Node, format string, args ...any) {
	r.problems.Addf(n.Pos(), "%s: %s", r.what, fmt.Sprintf(format, args...))
	key, _, _ := strings.Cut(r.key, ":")
	r.bad[key] = true
}

// text reads a single value.
func (r *jobReader) text(n yamltree.Node) string {
	if n.Kind() != yamltree.Scalar {
		r.badf(n, "%s: want a single value, got %s%s", r.key, n.Kind(), r.instead(n))
	}
	return n.Text()
}

// instead is the advice for a list where a single value is wanted.
func (r *jobReader) instead(n yamltree.Node) string {
	between, ok := map[string]string{"selector": ",", "command": " "}[r.key]
	if !ok || n.Kind() != yamltree.List {
		return ""
	}
	var items []string
	for item := range n.Items() {
		if item.Kind() != yamltree.Scalar {
			return ""
		}
		items = append(items, item.Text())
	}
	return "; write " + clipped(quoted(strings.Join(items, between)))
}

// texts reads a single value or a list of them.
func (r *jobReader) texts(n yamltree.Node) []string {
	if n.Kind() != yamltree.List {
		return []string{r.text(n)}
	}
	var all []string
	for item := range n.Items() {
		all = append(all, r.text(item))
	}
	return all
}

// option reads the values of an option. Variables may be a mapping.
func (r *jobReader) option(n yamltree.Node) []string {
	if r.key == "env" && n.Kind() == yamltree.Map {
		return r.variables(n)
	}
	values := r.texts(n)
	if len(values) > 1 && slices.Contains(r.rules.CommaKeys, r.key) {
		return []string{strings.Join(values, ",")}
	}
	return values
}

// variables reads names with their values.
func (r *jobReader) variables(n yamltree.Node) []string {
	defer func(outer string) { r.key = outer }(r.key)
	var all []string
	for name, value := range n.Fields() {
		r.key = "env: " + name.Text()
		all = append(all, name.Text()+"="+r.text(value))
	}
	return all
}

// path makes a path absolute, from the rules' Dir.
func (r *jobReader) path(path string) string {
	switch {
	case path == "" || path[0] == '~' || filepath.IsAbs(path) || r.rules.Dir == "":
		return path // a path that is not whole is refused when the job is checked
	}
	return filepath.Join(r.rules.Dir, path)
}

func (r *jobReader) flag(n yamltree.Node) bool {
	switch word := r.text(n); word {
	case "true":
		return true
	case "false":
	default:
		r.badf(n, "%s: want true or false, got %q", r.key, clipped(word))
	}
	return false
}

func (r *jobReader) count(n yamltree.Node) int {
	count, ok := number(r.text(n))
	if !ok {
		r.badf(n, "%s: %q is not a number up to 9999", r.key, clipped(n.Text()))
	}
	return count
}

func (r *jobReader) duration(n yamltree.Node) time.Duration {
	d, err := quantity.ParseDuration(r.text(n))
	if err != nil {
		r.badf(n, "%s: %v", r.key, err)
	}
	return d
}

// word reads one of several words, and returns its index.
func (r *jobReader) word(n yamltree.Node, words []string) int {
	i, err := parseWord(r.text(n), words)
	if err != nil {
		r.badf(n, "%s: %v", r.key, err)
	}
	return i
}

func parseWord(text string, words []string) (int, error) {
	if i := slices.Index(words, text); i >= 0 {
		return i, nil
	}
	if near := yamltree.Nearest(text, words); near != "" {
		return 0, fmt.Errorf("unknown value %q; did you mean %q?", clipped(text), near)
	}
	return 0, fmt.Errorf("unknown value %q; want %s", clipped(text), strings.Join(words, ", "))
}

// ParseOverlap reads skip, queue, allow or replace.
func ParseOverlap(text string) (Overlap, error) {
	i, err := parseWord(text, overlapWords)
	return Overlap(i), err
}

// ParseCatchUp reads latest, none or all.
func ParseCatchUp(text string) (CatchUp, error) {
	i, err := parseWord(text, catchUpWords)
	return CatchUp(i), err
}

// ParseNotifyEvent parses failure, recovery, missed or always.
func ParseNotifyEvent(text string) (NotifyEvent, error) {
	i, err := parseWord(text, eventWords)
	return NotifyEvent(i), err
}

var notifyKeys = []string{"on", "webhook", "secret_file", "command"}

// readNotify reads the mapping notify; its events are failure and recovery unless on
// says otherwise.
func readNotify(r *jobReader, j *Job, n yamltree.Node) {
	j.Notify = Notify{On: []NotifyEvent{OnFailure, OnRecovery}}
	r.fields(n, notifyKeys, func(key string, v yamltree.Node) {
		switch key {
		case "on":
			j.Notify.On = r.notifyEvents(v)
		case "webhook":
			j.Notify.Webhook = r.text(v)
		case "secret_file":
			j.Notify.SecretFile = r.path(r.text(v))
		case "command":
			j.Notify.Command = r.text(v)
		}
	})
}

// notifyEvents reads one event or a list of them, in any order.
func (r *jobReader) notifyEvents(n yamltree.Node) []NotifyEvent {
	var all []NotifyEvent
	for _, word := range r.texts(n) {
		o, err := ParseNotifyEvent(word)
		if err != nil {
			r.badf(n, "%s: %v", r.key, err)
			return nil
		}
		all = append(all, o)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var keepKeys = []string{"age", "runs", "size"}

// readKeep reads the limits of a job's history, or an age alone.
func readKeep(r *jobReader, j *Job, n yamltree.Node) {
	if n.Kind() == yamltree.Scalar {
		j.Keep = Keep{Age: r.duration(n)}
		return
	}
	r.fields(n, keepKeys, func(key string, v yamltree.Node) {
		switch key {
		case "age":
			j.Keep.Age = r.duration(v)
		case "runs":
			j.Keep.Runs = r.count(v)
		case "size":
			size, err := quantity.ParseSize(r.text(v))
			if err != nil {
				r.badf(v, "%s: %v", r.key, err)
			}
			j.Keep.Size = size
		}
	})
}

// fields reads a mapping in a job.
func (r *jobReader) fields(n yamltree.Node, known []string, field func(key string, value yamltree.Node)) {
	outer := r.key
	defer func() { r.key = outer }()
	if n.Kind() == yamltree.Null {
		r.badf(n, "%s: empty value", outer)
	}
	r.problems.Fields(n, r.what+": "+outer, known, func(key, value yamltree.Node) {
		r.key = outer + ": " + key.Text()
		field(key.Text(), value)
	})
}
