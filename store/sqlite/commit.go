//go:build !bench

package sqlite

// commitHook is what a Store calls before each commit of a recorder: nothing.
func commitHook() (func(), error) { return nil, nil }
