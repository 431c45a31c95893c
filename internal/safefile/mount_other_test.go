//go:build !linux

package safefile

import "errors"

func bindMount(string, string) error { return errors.ErrUnsupported }

func unmount(string) error { return nil }
