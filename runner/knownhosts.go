package runner

import (
	"errors"
	"io"
	"os"

	"tutti/internal/fault"
	"tutti/internal/filekind"
)

// checkKnownHosts refuses a file that appended host keys would damage: a private key.
func checkKnownHosts(path string) error {
	info, err := os.Stat(path)
	if path == "" || err != nil || !info.Mode().IsRegular() {
		return nil // the reader reports what is wrong with it
	}
	head, err := readHead(path)
	if err == nil {
		err = filekind.Check(head)
	}
	if bad := (*filekind.Error)(nil); errors.As(err, &bad) {
		return fault.Usagef("%s %s: %w", fault.Key("known-hosts"), path, bad)
	}
	return nil
}

// readHead reads the beginning of a file, in which a key has its header.
func readHead(path string) ([]byte, error) {
	const enough = 64 << 10
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, enough))
}
