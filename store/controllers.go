package store

import (
	"encoding/json"
	"fmt"

	"tutti/scheduler"
)

// A NoControllerError says that no daemon of a number is registered.
type NoControllerError struct {
	noAdvice
	ID int64
}

func (e *NoControllerError) Error() string { return fmt.Sprintf("daemon %d is not registered", e.ID) }

// SaidText is what a controller says as engines store it; empty: nothing.
func SaidText(said scheduler.Said) (string, error) {
	if said.Equal(&scheduler.Said{}) {
		return "", nil
	}
	text, err := json.Marshal(said)
	return string(text), err
}

// ReadSaid reads what SaidText made; what cannot be read says nothing.
func ReadSaid(text string) (said scheduler.Said) {
	if json.Unmarshal([]byte(text), &said) != nil {
		return scheduler.Said{}
	}
	return said
}
