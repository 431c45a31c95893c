//go:build !linux && !darwin

package keeper

import "errors"

// peerUser is not known on this system, and no connection is taken.
func peerUser(int) (int, error) { return 0, errors.ErrUnsupported }
