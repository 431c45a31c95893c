package ssh

import (
	"fmt"
	"sync"

	"tutti/fanout"
)

const (
	// maxLogins is how many logins to one address are under way at once;
	// servers turn strangers away when there are too many of them.
	maxLogins = 8
	// maxRefusals is how often logins at one address may be refused before the
	// rest are not tried: servers lock out those who go on.
	maxRefusals = 3
)

// An addressLimiter limits the logins at one address, which may have several names:
// maxLogins at once, and none after maxRefusals refusals.
type addressLimiter struct {
	slots chan struct{}

	mu      sync.Mutex // guards what follows
	refused int
	reason  string // of the last refusal
	cause   fanout.Cause
}

func newAddressLimiter() *addressLimiter {
	return &addressLimiter{slots: make(chan struct{}, maxLogins)}
}

func (s *addressLimiter) refuse(reason string, cause fanout.Cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused++
	s.reason, s.cause = reason, cause
}

// closed returns the failure of every further login after too many were
// refused, else nil.
func (s *addressLimiter) closed(address string) *fanout.Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused < maxRefusals {
		return nil
	}
	return &fanout.Failure{
		Op:    fanout.OpLogin,
		Final: true,
		Cause: s.cause,
		Message: fmt.Sprintf("not tried: %[2]s already refused %[1]d logins, and more could lock this machine out; the last: %[3]s",
			s.refused, address, s.reason),
	}
}
