// Package keyfile keeps a random key in a file next to another, of the same user and
// for that user alone. The key is made when it is first asked for.
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

// maxFile is more than a key takes in its file.
const maxFile = 2*Size + 2

// Load reads the key at path, or writes one made of random that others who ask at the
// same time get too. The file belongs to the user uid, and is in hexadecimal digits. The
// error never has any of the key.
func Load(path string, uid, gid int, random io.Reader) (key [Size]byte, err error) {
	f, err := safefile.OpenOwn(path, uid, gid)
	if err != nil {
		return key, err
	}
	defer func() { _ = f.Close() }() // what was written is on the disk
	// It is let go of with the file.
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
