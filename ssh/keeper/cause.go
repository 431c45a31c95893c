package keeper

import (
	"errors"
	"strings"

	"tutti/fanout"
)

// causes are those that decide outcomes, by the byte that stands for them.
var causes = map[byte]error{'d': fanout.ErrDeadline, 's': fanout.ErrSignal, 'k': fanout.ErrKill, 'o': fanout.ErrSink}

// A stopCause is why the caller has stopped an attempt, as the keeper has it.
type stopCause struct {
	text string
	is   error
}

func (c *stopCause) Error() string { return c.text }
func (c *stopCause) Unwrap() error { return c.is }

// encodeCause is err for the keeper.
func encodeCause(err error) []byte {
	for letter, cause := range causes {
		if errors.Is(err, cause) {
			return append([]byte{letter}, err.Error()...)
		}
	}
	return append([]byte{'k'}, err.Error()...)
}

// decodeCause is what encodeCause has encoded.
func decodeCause(body []byte) error {
	letter, text := byte('k'), string(body)
	if len(body) > 0 {
		letter, text = body[0], text[1:]
	}
	return &stopCause{strings.ToValidUTF8(text, "?"), causes[letter]}
}
