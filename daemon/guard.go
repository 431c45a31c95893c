package daemon

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"tutti/access"
	"tutti/internal/keyfile"
	"tutti/internal/outgoing"
	"tutti/internal/safefile"
	"tutti/notify"
)

// SigningKey is what signs callbacks for those who use the history at that path: in a
// file next to it that belongs to the same user, and that is made if it is not there. Of a
// history in a database only the directory is there.
func SigningKey(history string) (access.SigningKey, error) {
	owned, err := safefile.Resolve(history)
	if errors.Is(err, fs.ErrNotExist) {
		owned, err = safefile.Resolve(filepath.Dir(history))
		history = filepath.Join(owned, filepath.Base(history))
	} else {
		history = owned
	}
	if err != nil {
		return access.SigningKey{}, fmt.Errorf("signing key: %w", err)
	}
	info, err := os.Stat(owned)
	if err != nil {
		return access.SigningKey{}, fmt.Errorf("signing key: %w", err)
	}
	uid, gid := os.Geteuid(), os.Getegid()
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		uid, gid = int(sys.Uid), int(sys.Gid)
	}
	key, err := keyfile.Load(history+".key", uid, gid, rand.Reader)
	if err != nil {
		return access.SigningKey{}, fmt.Errorf("signing key: %w", err)
	}
	return key, nil
}

// guard is how webhooks are reached that were set by who may not act on this machine.
// The key is read again for each, so that it can be replaced.
func (d *Daemon) guard() *notify.Guard {
	return &notify.Guard{
		Dialer: outgoing.Dialer{Policy: d.c.Callbacks},
		Secret: func(by string) ([]byte, error) {
			path, err := d.c.History.Beside()
			if err != nil {
				return nil, err
			}
			key, err := SigningKey(path)
			if err != nil {
				return nil, err
			}
			return []byte(key.Secret(by).Reveal()), nil
		},
	}
}
