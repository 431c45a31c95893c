package runner

import "tutti/internal/typed"

// A Flag is a key of a request as the value of a command-line flag, with the methods
// that flag packages need.
type Flag struct {
	Key
	r *Request
}

// A ListFlag is a [Flag] whose key is a list.
type ListFlag struct{ Flag }

var (
	_ typed.Value  = Flag{}
	_ typed.Worded = Flag{}
)

// Bind makes a flag of the key of that name, which has to be in the table: a
// [ListFlag] if it is a list.
func (r *Request) Bind(name string) typed.Value {
	f := Flag{*lookup(name), r}
	if f.isList() {
		return ListFlag{f}
	}
	return f
}

// Set is that of the request.
func (f Flag) Set(text string) error { return f.r.Set(f.Name, text) }

func (f Flag) String() string { return f.value(f.r).String() }

// Type is the kind of the key.
func (f Flag) Type() string { return f.Kind() }

// Words are the words that the value is made of; false if it is not made of fixed
// words.
func (f Flag) Words() ([]string, bool) {
	if v, ok := f.value(f.r).(typed.Worded); ok {
		return v.Words()
	}
	return nil, false
}

// Append adds text.
func (f ListFlag) Append(text string) error { return f.Set(text) }

// Replace makes the list one of texts.
func (f ListFlag) Replace(texts []string) error {
	*f.value(f.r).(*typed.List) = texts
	f.r.given[f.Name] = true
	return nil
}

// GetSlice is the list.
func (f ListFlag) GetSlice() []string { return f.r.Get(f.Name) }
