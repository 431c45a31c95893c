// Package keyfile keeps a random key in a file next to another, with the same owner and
// readable only by it. The key is made when it is first loaded.
package keyfile

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"tutti/internal/safefile"
)

// Size is how long a key is, in bytes.
const Size = 32

// maxFile is the size of a file with a key, and more.
const maxFile = 2*Size + 2

// Load reads the key at path, or makes one from random and writes it; processes that load
// it at the same time get the same key. The file has hexadecimal digits and belongs to the
// user uid. The error has nothing of the key.
func Load(path string, uid, gid int, random io.Reader) (key [Size]byte, err error) {
	f, err := safefile.OpenOwn(path, uid, gid)
	if err != nil {
		return key, err
	}
	defer func() { _ = f.Close() }() // what was written is on the disk
	// Closing the file releases the lock.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return key, fmt.Errorf("lock %s: %w", path, err)
	}
	info, err := f.Stat()
	if err != nil {
		return key, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return key, fmt.Errorf("other users can read %s (%04o): chmod 600 it", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return key, err
	}
	if len(text) == 0 {
		return write(f, random)
	}
	digits := bytes.TrimRight(text, "\r\n")
	if n, err := hex.Decode(key[:], digits[:min(len(digits), 2*Size)]); err != nil || n != Size || len(digits) != 2*Size {
		return [Size]byte{}, fmt.Errorf("%s has no key: want %d hexadecimal digits", path, 2*Size)
	}
	return key, nil
}

// write makes a key and writes it to an empty file.
func write(f *os.File, random io.Reader) (key [Size]byte, err error) {
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return [Size]byte{}, err
	}
	if _, err := f.WriteString(hex.EncodeToString(key[:]) + "\n"); err != nil {
		return [Size]byte{}, err
	}
	return key, f.Sync()
}
