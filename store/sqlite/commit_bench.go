//go:build bench

package sqlite

import (
	"fmt"
	"os"
	"time"
)

// commitDelayVariable is how much longer each commit of a recorder takes, as a
// duration, in the programs that bench builds: a disk that is slow, without one.
const commitDelayVariable = "TUTTI_BENCH_COMMIT_DELAY"

// commitHook is what a Store calls before each commit of a recorder.
func commitHook() (func(), error) {
	text := os.Getenv(commitDelayVariable)
	if text == "" {
		return nil, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", commitDelayVariable, err)
	}
	return func() { <-time.After(d) }, nil
}
