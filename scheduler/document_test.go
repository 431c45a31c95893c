package scheduler

import (
	"strings"
	"testing"
)

// TestFilesThatHoldNoJobs: an error about the whole file says what to do, and quotes
// nothing of a file that was named by mistake.
func TestFilesThatHoldNoJobs(t *testing.T) {
	for text, want := range map[string]string{
		"SECRET:\n  schedule: '@daily'\n  command: x\n": `jobs.yaml:1:1: put jobs under "jobs:", each by its name`,
		"schedule: '@daily'\ncommand: SECRET\n":         `jobs.yaml:1:1: put a job under "jobs:" and its name`,
		"- schedule: '@daily'\n  command: SECRET\n":     "put each job under \"jobs:\" by its name, without a dash",
		"SECRET: 1\nSECRET: 2\n":                        "jobs.yaml:2:1: duplicate key …",
		"SECRET: 1\n":                                   "this is not a jobs file",
		"SECRET":                                        "want a mapping",
		"-----BEGIN RSA PRIVATE KEY-----\nSECRET\n":     "jobs.yaml: this is a private key",
		"jbos: {}\n":                                    `unknown key "jbos"; did you mean "jobs"?`,
	} {
		_, err := ReadJobs(t.Context(), "jobs.yaml", []byte(text), rules())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	jobs, err := ReadJobs(t.Context(), "jobs.yaml", []byte("jobs:\n  a: &a {schedule: '@daily', selector: all, command: x, zone: UTC}\n  b: {<<: *a, command: y}\n"), rules())
	if err != nil || len(jobs) != 2 || jobs[1].Command != "y" || jobs[1].Selector != "all" {
		t.Errorf("a job that merges another: got %+v, %v", jobs, err)
	}
}
