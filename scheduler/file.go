package scheduler

import (
	"context"
	"errors"
	"maps"
	"slices"

	"tutti/internal/yamltree"
)

// ReadJobs parses a jobs file, jobs.yaml; file is its name in errors. Keys that a job
// leaves out have their defaults. The error is a [*yamltree.Errors] with the first ten
// problems and their places, or that of ctx; then no jobs are returned.
//
//	jobs:
//	  nightly-backup:
//	    schedule: "30 2 * * *"   # one, or a list
//	    zone: Europe/Berlin
//	    selector: "db,!db2"
//	    command: /usr/local/bin/backup
//	    timeout: 2h              # an option: run's --timeout
func ReadJobs(ctx context.Context, file string, data []byte, rules Rules) ([]Job, error) {
	root, err := parseJobs(file, data)
	if err != nil {
		return nil, err
	}
	r := &jobReader{rules: &rules, bad: make(map[string]bool)}
	r.checkNone(root, file)
	var jobs []Job
	r.problems.Fields(root, "the file", []string{"jobs"}, func(_, value yamltree.Node) {
		switch value.Kind() {
		case yamltree.Map:
		case yamltree.Null:
			r.problems.Addf(value.Pos(), "jobs: empty; %s", noJobsHint)
		default:
			r.problems.Addf(value.Pos(), "jobs: want a mapping from names to jobs, got %s", value.Kind())
		}
		if !r.checkCount(value) {
			return
		}
		for name, fields := range value.Fields() {
			if ctx.Err() != nil {
				return
			}
			jobs = append(jobs, r.job(name, fields))
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.problems.Err(); err != nil {
		return nil, err
	}
	return jobs, nil
}

// noJobsHint says how to write a file without jobs.
const noJobsHint = `write "jobs: {}" for no jobs`

// checkNone refuses an empty document, which a generator prints whose own input is
// missing: applied, it would remove all jobs.
func (r *jobReader) checkNone(root yamltree.Node, file string) {
	switch root.Kind() {
	case yamltree.Null:
		r.problems.Addf(yamltree.Pos{File: file}, "the file is empty; %s", noJobsHint)
	case yamltree.Map:
		for range root.Fields() {
			return // what the keys mean is checked where they are parsed
		}
		r.problems.Addf(root.Pos(), `the file has no "jobs:"; %s`, noJobsHint)
	}
}

// checkCount refuses more jobs than the rules allow, before any of them is read.
func (r *jobReader) checkCount(jobs yamltree.Node) bool {
	count := 0
	for range jobs.Fields() {
		count++
	}
	if most := r.rules.MostJobs; most > 0 && count > most {
		r.problems.Addf(jobs.Pos(), "jobs: %d jobs; one file may have at most %d", count, most)
		return false
	}
	return true
}

// A jobReader makes jobs of the nodes of a file, and collects problems.
type jobReader struct {
	rules    *Rules
	problems yamltree.Problems
	// what names the job that is being read, and key its key, for errors.
	what, key string
	// bad are the job's keys that could not be parsed. Their values are not checked;
	// those of the others are.
	bad map[string]bool
}

// job parses one job, and checks it.
func (r *jobReader) job(name, n yamltree.Node) Job {
	j := NewJob(name.Text(), r.rules.zone())
	r.what = "job " + clipped(name.Text())
	clear(r.bad)
	nodes := map[string]yamltree.Node{"name": name}
	r.problems.Fields(n, r.what, r.known(), func(key, value yamltree.Node) {
		r.key = key.Text()
		nodes[r.key] = value
		if i := slices.IndexFunc(jobKeys, func(k jobKey) bool { return k.name == r.key }); i >= 0 {
			jobKeys[i].read(r, &j, value)
		} else {
			j.Options[r.key] = r.option(value)
		}
	})
	// An empty job lacks everything; one that is no mapping was refused as such.
	if n.Kind() == yamltree.Map || n.Kind() == yamltree.Null {
		r.check(&j, nodes)
	}
	return j
}

// check reports what is wrong with a job, at the node of the key.
func (r *jobReader) check(j *Job, nodes map[string]yamltree.Node) {
	// A key that could not be parsed is not missing, and makes nothing else wrong.
	j.Seconds = j.Seconds || r.bad["seconds"]
	r.bad["command"] = r.bad["command"] || r.bad["script"]
	sound := !slices.Contains(slices.Collect(maps.Values(r.bad)), true)
	j.check(r.rules, func(key string, err error) {
		if err == nil || r.bad[key] {
			return
		}
		sound = false
		at, ok := nodes[key]
		if !ok {
			at = nodes["name"]
		}
		r.problems.Addf(errorPos(at, err), "%s: %v", r.what, &KeyError{key, err})
	})
	if sound && r.rules.Whole != nil {
		if err := r.rules.Whole(*j); err != nil {
			r.problems.Addf(nodes["name"].Pos(), "%s: %v", r.what, err)
		}
	}
}

// known are the keys of a job.
func (r *jobReader) known() []string {
	var names []string
	for _, k := range jobKeys {
		names = append(names, k.name)
	}
	names = append(names, r.rules.OptionKeys...)
	if !slices.Contains(names, "deadline") {
		names = append(names, "deadline")
	}
	return names
}

// errorPos is where n, or the expression in it that err is about, begins.
func errorPos(n yamltree.Node, err error) yamltree.Pos {
	bad, ok := errors.AsType[*SyntaxError](err)
	if !ok || n.Kind() != yamltree.List {
		return n.Pos()
	}
	i := 0
	for item := range n.Items() {
		if i == bad.Index {
			return item.Pos()
		}
		i++
	}
	return n.Pos()
}
