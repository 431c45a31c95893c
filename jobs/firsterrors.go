package jobs

import (
	"errors"
	"fmt"
)

// mostErrors is how many problems of the jobs of a file are reported at once.
const mostErrors = 10

// firstErrors are the first of many errors; the others are counted. The zero value has none.
type firstErrors struct {
	list []error
	more int
}

func (f *firstErrors) add(err error) {
	if len(f.list) == mostErrors {
		f.more++
		return
	}
	f.list = append(f.list, err)
}

// err is a line for each error; nil: there was none.
func (f *firstErrors) err() error {
	if f.more > 0 {
		return errors.Join(append(f.list, fmt.Errorf("and %d more", f.more))...)
	}
	return errors.Join(f.list...)
}
