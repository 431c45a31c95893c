package help

import (
	"strings"

	"github.com/spf13/pflag"
)

// An EmptyFileError is a flag for a file that was given no name: a variable that was
// not set must not mean the default.
type EmptyFileError struct{ flag string }

func (e *EmptyFileError) Error() string { return "--" + e.flag + ": missing file" }

// refuseEmptyFiles makes the flags in set that take a file or a directory refuse an
// empty name.
func refuseEmptyFiles(set *pflag.FlagSet) {
	set.VisitAll(func(flag *pflag.Flag) {
		placeholder, _ := pflag.UnquoteUsage(flag)
		if placeholder != "DIR" && !strings.HasPrefix(placeholder, "FILE") {
			return
		}
		named := fileValue{Value: flag.Value, flag: flag.Name}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			flag.Value = &fileList{fileValue: named, SliceValue: list}
			flag.DefValue = "" // help knows only the library's own empty lists
			return
		}
		flag.Value = &named
	})
}

// A fileValue is the value of a flag that takes a file.
type fileValue struct {
	pflag.Value
	flag string
}

// Unwrap is the value that the flag has without this.
func (v *fileValue) Unwrap() pflag.Value { return v.Value }

// Set refuses an empty name.
func (v *fileValue) Set(s string) error {
	if s == "" {
		return &EmptyFileError{v.flag}
	}
	return v.Value.Set(s)
}

// A fileList is a fileValue that may be given several times.
type fileList struct {
	fileValue
	pflag.SliceValue
}

var (
	_ pflag.Value      = (*fileList)(nil)
	_ pflag.SliceValue = (*fileList)(nil)
)
