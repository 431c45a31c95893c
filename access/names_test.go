package access

import (
	"errors"
	"testing"
)

// Users of the hosts have the names that their systems allow, except for what cannot be
// seen in a list.
func TestLoginNames(t *testing.T) {
	for name, good := range map[string]bool{
		"deploy": true, "Deploy.2": true, `CORP\ann`: true, "jürgen": true, "": false, "de ploy": false, "deploy\n": false, "a\x1b[2Jb": false, "a\u202eb": false,
	} {
		err := CheckLoginName(name)
		if (err == nil) != good || err != nil && !errors.As(err, new(*ValueError)) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}
