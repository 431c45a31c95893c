package layer

import "time"

// A Value is one value that a file gives to a host, a group or its defaults.
type Value struct {
	Key Key
	// Text is the value in its canonical spelling, so that equal values have equal texts.
	Text   string
	Origin Origin
	// Unusable is why the host cannot be used with this value; mostly empty.
	Unusable string
	// Command says that a jump is a proxy command.
	Command bool

	Number   int           // port, retries, host_keys
	Duration time.Duration // timeouts
	List     []string      // identity
}

// Values hold each key at most once.
type Values []Value

// Find returns the value for key, nil if there is none.
func (s Values) Find(key Key) *Value {
	for i := range s {
		if s[i].Key == key {
			return &s[i]
		}
	}
	return nil
}

// Over returns s with those of base that s does not have. It changes neither.
func (s Values) Over(base Values) Values {
	if len(s) == 0 {
		return base
	}
	all := s[:len(s):len(s)]
	for _, b := range base {
		if s.Find(b.Key) == nil {
			all = append(all, b)
		}
	}
	return all
}

// Setting is s as others see it.
func (s Value) Setting() Setting {
	return Setting{Key: s.Key, Value: s.Text, Origin: s.Origin}
}
