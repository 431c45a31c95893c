package jobs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tutti/runner"
	"tutti/scheduler"
)

// retimed reports whether job fires at other times than old: its schedule differs, or
// it was paused or resumed.
func retimed(old, job *scheduler.Job) bool {
	return !old.SameTimes(job) || old.Paused != job.Paused
}

// An UnknownKeyError says that no key of that name can be unset.
type UnknownKeyError struct {
	Key string
	// Known are the keys that can be unset, as in jobs.yaml.
	Known []string
}

func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("%s cannot be unset", e.Key)
}

// Unset resets a key of jobs.yaml to its default, or returns an *UnknownKeyError. It
// does not change the map job.Options, but replaces it.
func Unset(job *scheduler.Job, key string) error {
	usual := scheduler.NewJob("", "")
	own := map[string]func(){
		"seconds":     func() { job.Seconds = false },
		"inventory":   func() { job.Inventory = nil },
		"overlap":     func() { job.Overlap = usual.Overlap },
		"max_running": func() { job.MaxRunning = usual.MaxRunning },
		"grace":       func() { job.Grace = usual.Grace },
		"catch_up":    func() { job.CatchUp = usual.CatchUp },
		"jitter":      func() { job.Jitter = 0 },
		"tutti_env":   func() { job.TuttiEnv = false },
		"idempotent":  func() { job.Idempotent = false },
		"paused":      func() { job.Paused = false },
		"notify":      func() { job.Notify = scheduler.Notify{} },
		"keep":        func() { job.Keep = scheduler.Keep{} },
	}
	if unset, ok := own[key]; ok {
		unset()
		return nil
	}
	known := runner.JobOptionKeys()
	if slices.Contains(known, key) {
		job.Options = maps.Clone(job.Options)
		delete(job.Options, key)
		if value, ok := usual.Options[key]; ok {
			job.Options[key] = value
		}
		return nil
	}
	return &UnknownKeyError{key, append(known, slices.Collect(maps.Keys(own))...)}
}

// Diff returns a line for each key whose value differs.
func Diff(before, now *scheduler.Job) ([]string, error) {
	was, err := jobKeys(before)
	if err != nil {
		return nil, err
	}
	is, err := jobKeys(now)
	if err != nil {
		return nil, err
	}
	keys := maps.Clone(was)
	maps.Copy(keys, is)
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if before, now := keyText(was, key), keyText(is, key); before != now {
			lines = append(lines, key+": "+before+" → "+now)
		}
	}
	return lines, nil
}

// jobKeys returns the keys of a job, as in jobs.yaml, with their values.
func jobKeys(job *scheduler.Job) (map[string]any, error) {
	data, err := json.Marshal(*job)
	if err != nil {
		return nil, err
	}
	var keys map[string]any
	return keys, json.Unmarshal(data, &keys)
}

// keyText returns the value of a key on one line.
func keyText(keys map[string]any, key string) string {
	value, ok := keys[key]
	if !ok {
		return "none"
	}
	return valueText(value)
}

// valueText returns a value on one line.
func valueText(value any) string {
	var parts []string
	switch v := value.(type) {
	case string:
		return strconv.Quote(v)
	case []any:
		for _, item := range v {
			parts = append(parts, valueText(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, key+": "+valueText(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(value)
}
