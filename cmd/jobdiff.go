package cmd

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tutti/scheduler"
)

// diffJobs says, in a line for each key, what is different in now.
func diffJobs(before, now *scheduler.Job) ([]string, error) {
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

// jobKeys are the keys of a job, as in jobs.yaml, with their values.
func jobKeys(job *scheduler.Job) (map[string]any, error) {
	data, err := json.Marshal(*job)
	if err != nil {
		return nil, err
	}
	var keys map[string]any
	return keys, json.Unmarshal(data, &keys)
}

// keyText is the value of a key on a line.
func keyText(keys map[string]any, key string) string {
	value, ok := keys[key]
	if !ok {
		return "none"
	}
	return valueText(value)
}

// valueText is a value of a job on a line.
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
