package access

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// The length of a password. There is no rule about its characters: such rules make people
// choose worse ones.
const (
	MinPassword = 12   // characters
	MaxPassword = 1024 // bytes
)

// CheckPassword is a [*PasswordError] if password is not allowed.
func CheckPassword(password []byte) error {
	switch {
	case !utf8.Valid(password):
		return &PasswordError{"is not UTF-8"}
	case utf8.RuneCount(password) < MinPassword:
		return &PasswordError{fmt.Sprintf("is too short: want at least %d characters", MinPassword)}
	case len(password) > MaxPassword:
		return &PasswordError{fmt.Sprintf("is too long: want at most %d bytes", MaxPassword)}
	}
	return nil
}

// A cost is the parameters of argon2id.
type cost struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
}

// usual is the cost of new passwords: about 20 ms. It is stored with each of them.
var usual = cost{memory: 19 * 1024, time: 2, threads: 1}

// most bounds the cost of a stored password, so that a manipulated history cannot use up
// the memory.
var most = cost{memory: 1024 * 1024, time: 16, threads: 16}

const (
	saltBytes, keyBytes = 16, 32
	// hashesAtOnce bounds how many passwords are hashed at the same time: each uses
	// 19 MiB.
	hashesAtOnce = 2
)

// A Hasher hashes passwords, two at once at most. It may be used by several goroutines
// at once; one is enough for a process.
type Hasher struct {
	random io.Reader
	slots  chan struct{}
	// dummy is checked where there is no password, so that the check takes as long.
	dummy string
}

// NewHasher returns a Hasher that takes its salts from random.
func NewHasher(random io.Reader) *Hasher {
	h := &Hasher{random: random, slots: make(chan struct{}, hashesAtOnce)}
	h.dummy = format(usual, make([]byte, saltBytes), make([]byte, keyBytes))
	return h
}

// Hash is what is stored of a password. It waits for its turn as long as ctx lives. The
// error is a [*PasswordError] if the password is not allowed.
func (h *Hasher) Hash(ctx context.Context, password []byte) (string, error) {
	if err := CheckPassword(password); err != nil {
		return "", err
	}
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(h.random, salt); err != nil {
		return "", err
	}
	key, err := h.derive(ctx, usual, password, salt, keyBytes)
	return format(usual, salt, key), err
}

// Check reports whether kept is the hash of the password. An empty kept matches none, and
// the check takes as long. It waits for its turn as long as ctx lives.
func (h *Hasher) Check(ctx context.Context, password []byte, kept string) (bool, error) {
	if len(password) > MaxPassword {
		return false, nil
	}
	none := kept == ""
	if none {
		kept = h.dummy
	}
	c, salt, key, err := parse(kept)
	if err != nil {
		return false, err
	}
	got, err := h.derive(ctx, c, password, salt, uint32(len(key)))
	return err == nil && subtle.ConstantTimeCompare(got, key) == 1 && !none, err
}

func (h *Hasher) derive(ctx context.Context, c cost, password, salt []byte, length uint32) ([]byte, error) {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-h.slots }()
	return argon2.IDKey(password, salt, c.time, c.memory, c.threads, length), nil
}

// format is the usual text form of a hash with its parameters.
func format(c cost, salt, key []byte) string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.time, c.threads, enc.EncodeToString(salt), enc.EncodeToString(key))
}

// parse reads what format wrote. The error does not say what is there instead.
func parse(text string) (c cost, salt, key []byte, err error) {
	bad := func(what string) (cost, []byte, []byte, error) {
		return cost{}, nil, nil, fmt.Errorf("the stored password cannot be read: %s", what)
	}
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return bad("it is of another kind")
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.time, &c.threads); n != 3 || err != nil {
		return bad("its parameters")
	}
	if c.memory < 8 || c.time < 1 || c.threads < 1 || c.memory > most.memory || c.time > most.time || c.threads > most.threads {
		return bad("its parameters are out of bounds")
	}
	enc := base64.RawStdEncoding.Strict()
	if salt, err = enc.DecodeString(parts[4]); err != nil || len(salt) < 8 {
		return bad("its salt")
	}
	if key, err = enc.DecodeString(parts[5]); err != nil || len(key) < 16 || len(key) > 64 {
		return bad("its hash")
	}
	if format(c, salt, key) != text {
		return bad("it is written in another way")
	}
	return c, salt, key, nil
}
