package sqlite

import (
	"encoding/json"
	"sync"

	"tutti/scheduler"
)

// A specCache caches the parsed specs of jobs: a daemon reads all jobs again after each
// write to the history, and parsing a text takes much longer than comparing it.
type specCache struct {
	mu    sync.Mutex // guards known
	known map[int64]spec
}

type spec struct {
	text string
	job  scheduler.Job
	err  error
}

// job returns the job of which text is the spec; id is the job's.
func (s *specCache) job(id int64, text string) (scheduler.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.known[id]; ok && known.text == text {
		return known.job, known.err
	}
	var job scheduler.Job
	err := json.Unmarshal([]byte(text), &job)
	if err != nil {
		job = scheduler.Job{}
	}
	if s.known == nil {
		s.known = make(map[int64]spec)
	}
	s.known[id] = spec{text: text, job: job, err: err}
	return job, err
}
