package ssh

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"tutti/fanout"
	"tutti/internal/sanitize"
)

// disconnected is how the library words a host's own last message; its type is
// its own.
var disconnected = regexp.MustCompile(`(?s)^ssh: disconnect, reason \d+: (.+)$`)

// quoteDisconnect adds to a failure the text that the host sent when it disconnected,
// such as a notice of maintenance.
func (c *conn) quoteDisconnect(f *fanout.Failure) {
	if f == nil || f.Op != fanout.OpConnection {
		return
	}
	if said := c.disconnectMessage(); said != "" {
		f.Message += fmt.Sprintf("; the host said %q", said)
	}
}

// disconnectMessage is the text that the host sent when it disconnected; empty if none.
// The connection must be closed.
func (c *conn) disconnectMessage() string {
	gone := make(chan error, 1)
	go func() { gone <- c.ssh.Wait() }() // ends with the connection
	t := time.NewTimer(teardownTime)
	defer t.Stop()
	select {
	case err := <-gone:
		if err != nil {
			if m := disconnected.FindStringSubmatch(err.Error()); m != nil {
				said, err := strconv.Unquote(m[1])
				if err != nil {
					said = m[1]
				}
				return sanitize.Line(said, 200)
			}
		}
	case <-t.C:
	}
	return ""
}
