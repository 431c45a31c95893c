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

// quote adds to a failure what the host said when it hung up, if it did: it may
// be going down for maintenance.
func (c *conn) quote(f *fanout.Failure) {
	if f == nil || f.Op != fanout.OpConnection {
		return
	}
	if said := c.farewell(); said != "" {
		f.Message += fmt.Sprintf("; the host said %q", said)
	}
}

// farewell is what the host said when it hung up. It is asked once the connection
// is gone.
func (c *conn) farewell() string {
	gone := make(chan error, 1)
	go func() { gone <- c.ssh.Wait() }() // ends with the connection
	t := time.NewTimer(buryTime)
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
