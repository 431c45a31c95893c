package scheduler

import (
	"slices"

	"tutti/internal/filekind"
	"tutti/internal/yamltree"
)

// jobsKey is the top-level key of a jobs file.
const jobsKey = "jobs"

// parseJobs parses a jobs file. Errors quote nothing of a file that is none, since the
// operator may have named it by mistake.
func parseJobs(file string, data []byte) (yamltree.Node, error) {
	var problems yamltree.Problems
	if err := filekind.Check(data); err != nil {
		problems.Addf(yamltree.Pos{File: file}, "%v", err)
		return yamltree.Node{}, problems.Err()
	}
	root, err := yamltree.Parse(file, data, jobsKey)
	if err != nil {
		return root, err
	}
	switch root.Kind() {
	case yamltree.Null:
		return root, nil
	case yamltree.Map:
		if root.Own(jobsKey) || !hasFields(root) {
			return root, nil
		}
	}
	switch {
	case looksLikeJobs(root):
		problems.Addf(root.Pos(), `put jobs under "jobs:", each by its name: begin the file with "jobs:" and indent the rest`)
	case root.Kind() == yamltree.Map && isJob(root):
		problems.Addf(root.Pos(), `put a job under "jobs:" and its name: begin the file with "jobs:", then "  NAME:", and indent the rest`)
	case root.Kind() == yamltree.List:
		problems.Addf(root.Pos(), `the file: want a mapping with the key "jobs", got a list; put each job under "jobs:" by its name, without a dash`)
	default:
		problems.Addf(root.Pos(), `this is not a jobs file: want a mapping with the key "jobs"; jobs.example.yaml shows one`)
	}
	return root, problems.Err()
}

func hasFields(n yamltree.Node) bool {
	for range n.Fields() {
		return true
	}
	return false
}

// looksLikeJobs reports whether jobs stand at the top, by their names.
func looksLikeJobs(root yamltree.Node) bool {
	for _, value := range root.Fields() {
		if isJob(value) {
			return true
		}
	}
	return false
}

// isJob reports whether a node has a key that only jobs have.
func isJob(n yamltree.Node) bool {
	for key := range n.Fields() {
		if slices.Contains([]string{"schedule", "command", "script"}, key.Text()) {
			return true
		}
	}
	return false
}
