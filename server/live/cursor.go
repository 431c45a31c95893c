package live

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// A cursor is how far a client was: the id of the last event that it got.
//
//	EPOCH-VERSION[;o:HOST:ATTEMPT:STDOUT:STDERR]…
type cursor struct {
	epoch   string
	version uint64
	outputs map[string]position // by host
}

// readCursor reads an id. What cannot be read is left out: its client gets a snapshot.
func readCursor(id string) cursor {
	parts := strings.Split(id, ";")
	c := cursor{outputs: map[string]position{}}
	if epoch, version, ok := strings.Cut(parts[0], "-"); ok {
		if n, err := strconv.ParseUint(version, 10, 64); err == nil {
			c.epoch, c.version = epoch, n
		}
	}
	for _, part := range parts[1:] {
		fields := strings.Split(part, ":")
		if len(fields) != 5 || fields[0] != "o" {
			continue
		}
		host, err := url.QueryUnescape(fields[1])
		attempt, attemptErr := strconv.ParseUint(fields[2], 10, 31)
		stdout, stdoutErr := strconv.ParseInt(fields[3], 10, 64)
		stderr, stderrErr := strconv.ParseInt(fields[4], 10, 64)
		if err == nil && attemptErr == nil && stdoutErr == nil && stderrErr == nil && min(stdout, stderr) >= 0 {
			c.outputs[host] = position{attempt: int(attempt), offsets: [2]int64{stdout, stderr}}
		}
	}
	return c
}

// append appends the part of an id that says how far the output of a host is.
func (p *position) append(b []byte, host string) []byte {
	return fmt.Appendf(b, ";o:%s:%d:%d:%d", url.QueryEscape(host), p.attempt, p.offsets[0], p.offsets[1])
}
