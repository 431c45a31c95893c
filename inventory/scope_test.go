package inventory

import (
	"errors"
	"testing"
)

// A scope means the same hosts whatever runs and files there are.
func TestScopesNameNeitherRunsNorFiles(t *testing.T) {
	for text, want := range map[string]*ScopeError{
		"web,!web13": nil, "dc=fra": nil, "web[01-09]": nil,
		"run:last": {Runs: true}, "web,!run:142:failed": {Runs: true}, "web,@hosts": {},
	} {
		err := CheckScope(text)
		got, refused := errors.AsType[*ScopeError](err)
		if (err != nil) != (want != nil) || want != nil && (!refused || *got != *want) {
			t.Errorf("%s: got %v, want %v", text, err, want)
		}
	}
	if err := CheckScope("web["); !errors.As(err, new(*SelectorError)) {
		t.Errorf("got %v, want where the selector is wrong", err)
	}
}
